// What a thread does: it runs list after list, until it is ended from outside.

import type { Setup } from './platform.ts'

/** The functions of the kernels. */
export interface Kernels {
  work(thread: number, threads: number): void
  walk(thread: number, threads: number): void
}

export function instantiate({ module, memory }: Pick<Setup, 'module' | 'memory'>): Kernels {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  return exports as unknown as Kernels // kernels/index.ts exports these
}

/** Sleeps and works inside WebAssembly; `onDone` is called after each list, by the first thread alone. */
export function work({ module, memory, thread, threads }: Setup, onDone: () => void): never {
  const kernels = instantiate({ module, memory })
  for (;;) {
    kernels.work(thread, threads)
    if (thread === 0) onDone()
  }
}
