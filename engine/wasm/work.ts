// What a thread does: it runs list after list, until it is told to end.

import { ended, handedOver } from './control.ts'
import type { Setup } from './platform.ts'

/** The functions of the kernels. */
export interface Kernels {
  /** Runs the list that is there as one of so many threads; returns when all have. */
  walk(thread: number, threads: number): void
}

export function instantiate({ module, memory }: Pick<Setup, 'module' | 'memory'>): Kernels {
  const words = new Int32Array(memory.buffer)
  // What kernels/control.ts declares.
  const control = {
    sleep: (address: number, value: number) => void Atomics.wait(words, address / 4, value),
    wake: (address: number) => void Atomics.notify(words, address / 4),
  }
  const { exports } = new WebAssembly.Instance(module, { env: { memory }, control })
  return exports as unknown as Kernels // kernels/index.ts exports these
}

/** Returns when the threads are told to end. `onDone` is called after each list, by the first thread alone. */
export function work({ module, memory, thread, threads }: Setup, onDone: () => void): void {
  const kernels = instantiate({ module, memory })
  const words = new Int32Array(memory.buffer)
  for (let seen = 0; ; seen++) {
    while (Atomics.load(words, handedOver) === seen) Atomics.wait(words, handedOver, seen)
    if (Atomics.load(words, handedOver) === ended) return
    kernels.walk(thread, threads)
    if (thread === 0) onDone()
  }
}
