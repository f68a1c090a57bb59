// The threads of a backend: hands them lists, one at a time, and waits without holding the calling thread.

import { BackendCrashedError } from '../errors.ts'
import { ended, ticket } from './control.ts'
import type { Heap } from './heap.ts'
import type { Modules, Platform, Thread } from './platform.ts'
import { begin, instantiate, type Kernels } from './work.ts'

export interface Crew {
  readonly threads: number
  /** Throws {@link BackendCrashedError} once a thread has broken down. */
  expectAlive(): void
  /** Runs the list that the words of control.ts tell of. Throws {@link BackendCrashedError}. */
  run(): Promise<void>
  end(): Promise<void>
}

/** No threads: lists run where they are handed over. */
export function createSoloist(modules: Modules, heap: Heap): Crew {
  let kernels: Kernels | undefined = instantiate({ modules, memory: heap.memory })
  let failure: BackendCrashedError | undefined
  return {
    threads: 1,
    expectAlive() {
      if (failure) throw failure
    },
    async run() {
      try {
        begin(heap.words())
        kernels?.walk(1)
      } catch (cause) {
        failure = crashed(cause)
        throw failure
      }
    },
    async end() {
      kernels = undefined // it holds the memory
    },
  }
}

export function createCrew(
  modules: Modules,
  heap: Heap,
  options: { platform: Platform; threads: number; workerUrl: string | URL | undefined },
): Crew {
  const { platform, threads, workerUrl } = options
  let pending: { resolve: () => void; reject: (error: Error) => void } | undefined
  let failure: BackendCrashedError | undefined

  function onFail(cause: unknown): void {
    failure ??= crashed(cause)
    pending?.reject(failure)
    // The others may wait for the one that is gone.
    for (const member of members) void member.end()
  }

  const members: Thread[] = Array.from({ length: threads }, () =>
    platform.start({ modules, memory: heap.memory, threads }, { onDone: () => pending?.resolve(), onFail, workerUrl }),
  )

  return {
    threads,
    expectAlive() {
      if (failure) throw failure
    },
    async run() {
      const control = heap.words()
      for (const member of members) member.hold()
      try {
        await new Promise<void>((resolve, reject) => {
          pending = { resolve, reject }
          begin(control)
        })
      } finally {
        pending = undefined
        for (const member of members) member.letGo()
      }
    },
    async end() {
      // A browser waits two seconds for a thread that sleeps before it ends it, and keeps the memory as long.
      const control = heap.words()
      Atomics.store(control, ticket, ended)
      Atomics.notify(control, ticket)
      await Promise.all(members.map((member) => member.end()))
    },
  }
}

function crashed(cause: unknown): BackendCrashedError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new BackendCrashedError(`a thread of the wasm backend broke down (${reason}); open the backend anew`, {
    cause,
  })
}
