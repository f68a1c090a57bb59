// The stream that `generate` returns: lazy, pulled by its one reader, with a result that can be awaited instead.

import { ArgumentError } from '../engine/errors.ts'
import type { GenerationEvent, GenerationResult } from './events.ts'

export interface GenerationStream extends AsyncIterable<GenerationEvent> {
  /**
   * The result, once the text has ended. Asking for it runs the generation, unless somebody begins to iterate in the
   * same turn. It rejects with what the generation threw, and is never an unhandled rejection.
   */
  readonly result: Promise<GenerationResult>
}

/** A generation that may have begun; nothing runs before its first event is pulled. */
export interface GenerationRun {
  /** Ends with the event `done`. Frees what it holds when it ends, throws or is returned from. */
  readonly events: AsyncGenerator<GenerationEvent, void>
  /** Lets what is running end at its next turn: nobody waits for more. */
  leave(): void
  /** The result as of now, for a generation that is given up. */
  aborted(): GenerationResult
  /** Frees what the generation holds. May be called more than once. */
  dispose(): void
}

/** What is left of a stream whose reader is gone. Nothing here may lead to the reader, or it would never be gone. */
interface Abandoned {
  readonly run: GenerationRun
  readonly resolve: (result: GenerationResult) => void
}

/** Ends runs whose reader was garbage-collected in the middle: nobody else can. */
const abandoned = new FinalizationRegistry<Abandoned>(({ run, resolve }) => {
  run.dispose()
  resolve(run.aborted())
})

/**
 * A stream over the run that `start` makes at the first pull; what `start` throws reaches the reader there.
 * Iterating twice throws {@link ArgumentError}.
 */
export function createStream(start: () => GenerationRun): GenerationStream {
  const { promise, resolve, reject } = deferred<GenerationResult>()
  promise.catch(() => {}) // whoever awaits the result still sees the error; nobody is forced to
  let begun = false

  function begin(): AsyncIterator<GenerationEvent, void> {
    if (begun) throw new ArgumentError('a generation can be read once; call generate again, or keep its result')
    begun = true
    let run: GenerationRun | undefined
    const started = (): GenerationRun => {
      if (run) return run
      run = start()
      abandoned.register(iterator, { run, resolve })
      return run
    }
    const iterator = {
      async next(): Promise<IteratorResult<GenerationEvent, void>> {
        try {
          const step = await started().events.next()
          if (!step.done && step.value.type === 'done') resolve(step.value.result)
          return step
        } catch (error) {
          reject(error)
          throw error
        }
      },
      async return(): Promise<IteratorResult<GenerationEvent, void>> {
        try {
          const { events, leave, aborted } = started()
          leave()
          await events.return()
          resolve(aborted())
        } catch (error) {
          reject(error)
        }
        return { done: true, value: undefined }
      },
      async throw(error: unknown): Promise<IteratorResult<GenerationEvent, void>> {
        await iterator.return()
        throw error
      },
    }
    return iterator
  }

  async function drain(): Promise<void> {
    const iterator = begin()
    while (!(await iterator.next()).done);
  }

  return {
    [Symbol.asyncIterator]: begin,
    get result() {
      queueMicrotask(() => {
        if (!begun) drain().catch(() => {}) // the result carries the error
      })
      return promise
    },
  }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
