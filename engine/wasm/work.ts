// What a thread does: it runs list after list, until it is told to end.

import { ended, mostTicket, noShare, ticket } from './control.ts'
import type { Setup } from './platform.ts'

/** The functions of the kernels. */
export interface Kernels {
  /** Runs what others leave of the list that is there, in so many shares. Returns whether the caller did the last, as 0 or 1. */
  walk(shares: number): number
}

export function instantiate({ modules, memory }: Pick<Setup, 'modules' | 'memory'>): Kernels {
  const words = new Int32Array(memory.buffer)
  const env = { memory }
  // What kernels/control.ts declares.
  const control = {
    sleep: (address: number, value: number) => void Atomics.wait(words, address / 4, value),
    wake: (address: number) => void Atomics.notify(words, address / 4),
  }
  // What kernels/linear.ts declares; it calls only what is there.
  const product = modules.relaxed && new WebAssembly.Instance(modules.relaxed, { env }).exports['product']
  const linear = { hasRelaxed: product ? 1 : 0, productRelaxed: product ?? (() => {}) }
  const { exports } = new WebAssembly.Instance(modules.kernels, { env, control, linear })
  return exports as unknown as Kernels // kernels/index.ts exports these
}

/** Returns when the threads are told to end. `onDone` is called after each list, by the thread that ended it. */
export function work({ modules, memory, threads }: Setup, onDone: () => void): void {
  const kernels = instantiate({ modules, memory })
  const words = new Int32Array(memory.buffer)
  for (;;) {
    const now = Atomics.load(words, ticket)
    if (now === ended) return
    if ((now & noShare) === noShare) Atomics.wait(words, ticket, now)
    else if (kernels.walk(threads)) onDone()
  }
}

/** Opens the list that the other words tell of. */
export function begin(words: Int32Array): void {
  Atomics.store(words, ticket, ((Atomics.load(words, ticket) | noShare) + 1) & mostTicket)
  Atomics.notify(words, ticket)
}
