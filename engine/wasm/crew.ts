// The threads of a backend: hands them lists, one at a time. The calling thread works on short ones with them, where it may
// wait; else it is free meanwhile.

import { BackendCrashedError } from '../errors.ts'
import { hearer, itself, lists, message, seen, sleepers, ticket } from './control.ts'
import type { Heap } from './heap.ts'
import type { Modules, Platform, Thread } from './platform.ts'
import { begin, instantiate, type Kernels, type Sleep, tellEnd } from './work.ts'

export interface Crew {
  readonly threads: number
  /** Throws {@link BackendCrashedError} once a thread has broken down. */
  expectAlive(): void
  /**
   * Runs the list that the words of control.ts tell of; if it is short, the calling thread may take part. Throws
   * {@link BackendCrashedError}.
   */
  run(list: { readonly isShort: boolean }): Promise<void>
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
        begin(heap.words(), { by: itself, wake: 0 })
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
  options: {
    readonly platform: Platform
    readonly threads: number
    readonly workerUrl: string | URL | undefined
    /** Milliseconds that the calling thread waits on end: a thread that broke down is heard of only when it does not. */
    readonly patience?: number
  },
): Crew {
  const { platform, threads, workerUrl, patience = 50 } = options
  let pending: { resolve: () => void; reject: (error: Error) => void } | undefined
  let failure: BackendCrashedError | undefined

  function onFail(cause: unknown): void {
    failure ??= crashed(cause)
    pending?.reject(failure)
    // The others may wait for the one that is gone.
    for (const member of members) void member.end()
  }

  /** Throws {@link tooLong}. */
  const sleepBriefly: Sleep = (words, place, value) => {
    if (Atomics.wait(words, place, value, patience) !== 'timed-out') return
    if (place === ticket) Atomics.sub(words, sleepers, 1) // it has counted itself
    throw tooLong
  }

  /** The calling thread's own, once it has taken part. */
  let own: Kernels | undefined

  /** Works on a list in the place of one of the threads. Returns whether the list has ended; else its end will be told. */
  function takePart(control: Int32Array): boolean {
    own ??= instantiate({ modules, memory: heap.memory }, sleepBriefly)
    begin(control, { by: itself, wake: threads - 1 })
    try {
      if (own.walk(threads)) return true
      while (Atomics.load(control, hearer) === itself) sleepBriefly(control, hearer, itself)
      return true
    } catch (cause) {
      if (cause !== tooLong) {
        onFail(cause)
        throw failure
      }
      const hasEnded = Atomics.compareExchange(control, hearer, itself, message) === seen
      if (!hasEnded) Atomics.notify(control, lists, 1) // another takes its place
      return hasEnded
    }
  }

  const members: Thread[] = Array.from({ length: threads }, () =>
    platform.start({ modules, memory: heap.memory, threads }, { onDone: () => pending?.resolve(), onFail, workerUrl }),
  )

  return {
    threads,
    expectAlive() {
      if (failure) throw failure
    },
    async run({ isShort }) {
      const control = heap.words()
      const takesPart = isShort && platform.mayWait
      if (takesPart && takePart(control)) return
      for (const member of members) member.hold()
      try {
        await new Promise<void>((resolve, reject) => {
          pending = { resolve, reject }
          if (!takesPart) begin(control, { by: message, wake: threads })
        })
      } finally {
        pending = undefined
        for (const member of members) member.letGo()
      }
    },
    async end() {
      // A browser waits two seconds for a thread that sleeps before it ends it, and keeps the memory as long.
      tellEnd(heap.words())
      await Promise.all(members.map((member) => member.end()))
      own = undefined // it holds the memory
    },
  }
}

const tooLong = new Error('the others take longer')

function crashed(cause: unknown): BackendCrashedError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new BackendCrashedError(`a thread of the wasm backend broke down (${reason}); open the backend anew`, {
    cause,
  })
}
