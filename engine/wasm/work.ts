// What a thread does: it runs list after list, until it is told to end. The calling thread may take part in one.

import { ended, hearer, type itself, lists, message, mostTicket, noShare, seen, ticket } from './control.ts'
import type { Setup } from './platform.ts'

/** The functions of the kernels. */
export interface Kernels {
  /** Runs what others leave of the list that is there, in so many shares. Returns whether the caller did the last, as 0 or 1. */
  walk(shares: number): number
}

/** Waits while the word at this place has this value. May throw: who waits has no share. */
export type Sleep = (words: Int32Array, place: number, value: number) => void

const sleepOn: Sleep = (words, place, value) => void Atomics.wait(words, place, value)

export function instantiate({ modules, memory }: Pick<Setup, 'modules' | 'memory'>, sleep: Sleep = sleepOn): Kernels {
  const words = new Int32Array(memory.buffer)
  const env = { memory }
  // What kernels/control.ts declares.
  const control = {
    sleep: (address: number, value: number) => sleep(words, address / 4, value),
    wake: (address: number) => void Atomics.notify(words, address / 4),
  }
  // What kernels/linear.ts declares; it calls only what is there.
  const product = modules.relaxed && new WebAssembly.Instance(modules.relaxed, { env }).exports['product']
  const linear = { hasRelaxed: product ? 1 : 0, productRelaxed: product ?? (() => {}) }
  const { exports } = new WebAssembly.Instance(modules.kernels, { env, control, linear })
  return exports as unknown as Kernels // kernels/index.ts exports these
}

/** Returns when the threads are told to end. `onDone` is called by the thread that ended a list, if it is waited for. */
export function work({ modules, memory, threads }: Setup, onDone: () => void): void {
  const kernels = instantiate({ modules, memory })
  const words = new Int32Array(memory.buffer)
  for (;;) {
    const known = Atomics.load(words, lists)
    const now = Atomics.load(words, ticket)
    if (now === ended) return
    // It does not look about before it sleeps: a core that spins takes from the one beside it, which writes the next list.
    if ((now & noShare) === noShare) Atomics.wait(words, lists, known)
    else if (kernels.walk(threads)) end(words, onDone)
  }
}

function end(words: Int32Array, onDone: () => void): void {
  if (Atomics.exchange(words, hearer, seen) === message) onDone()
  else Atomics.notify(words, hearer)
}

/** Opens the list that the other words tell of, and wakes so many threads. */
export function begin(words: Int32Array, { by, wake }: { by: typeof itself | typeof message; wake: number }): void {
  Atomics.store(words, hearer, by)
  Atomics.store(words, ticket, ((Atomics.load(words, ticket) | noShare) + 1) & mostTicket)
  Atomics.add(words, lists, 1)
  Atomics.notify(words, lists, wake)
}

/** Tells all threads to end. */
export function tellEnd(words: Int32Array): void {
  Atomics.store(words, ticket, ended)
  Atomics.add(words, lists, 1)
  for (const place of [ticket, lists]) Atomics.notify(words, place)
}
