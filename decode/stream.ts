// The streams that `generate` and `generateBatch` return: lazy, pulled by their one reader, with a result that can be awaited
// instead.

import { ArgumentError } from '../engine/errors.ts'
import type { GenerationEvent, GenerationResult } from './events.ts'

export interface Stream<Event, Result> extends AsyncIterable<Event> {
  /**
   * The result, once the text has ended. Asking for it runs the generation, unless somebody begins to iterate in the
   * same turn. It rejects with what the generation threw, and is never an unhandled rejection.
   */
  readonly result: Promise<Result>
}

export type GenerationStream = Stream<GenerationEvent, GenerationResult>

/** A generation that may have begun; nothing runs before its first event is pulled. */
export interface Run<Event, Result> {
  /** Frees what it holds when it ends, throws or is returned from. */
  readonly events: AsyncGenerator<Event, void>
  /** The result, once its last event has been made. */
  finished(): Result | undefined
  /** Lets what is running end at its next turn: nobody waits for more. */
  leave(): void
  /** The result as of now, for a generation that is given up. */
  aborted(): Result
  /** Frees what the generation holds. May be called more than once. */
  dispose(): void
}

/** What is left of a stream whose reader is gone. Nothing here may lead to the reader, or it would never be gone. */
interface Abandoned {
  dispose(): void
}

/** Ends runs whose reader was garbage-collected in the middle: nobody else can. */
const abandoned = new FinalizationRegistry<Abandoned>(({ dispose }) => dispose())

function leftBehind<Event, Result>(run: Run<Event, Result>, resolve: (result: Result) => void): Abandoned {
  return {
    dispose() {
      run.dispose()
      resolve(run.aborted())
    },
  }
}

/**
 * A stream over the run that `start` makes at the first pull; what `start` throws reaches the reader there.
 * Iterating twice throws {@link ArgumentError}.
 */
export function createStream<Event, Result>(start: () => Run<Event, Result>): Stream<Event, Result> {
  const { promise, resolve, reject } = deferred<Result>()
  promise.catch(() => {}) // whoever awaits the result still sees the error; nobody is forced to
  let begun = false

  function begin(): AsyncIterator<Event, void> {
    if (begun) throw new ArgumentError('a generation can be read once; call generate again, or keep its result')
    begun = true
    let run: Run<Event, Result> | undefined
    const started = (): Run<Event, Result> => {
      if (run) return run
      run = start()
      abandoned.register(iterator, leftBehind(run, resolve))
      return run
    }
    const iterator = {
      async next(): Promise<IteratorResult<Event, void>> {
        try {
          const { events, finished } = started()
          const step = await events.next()
          const result = finished()
          if (result !== undefined) resolve(result)
          return step
        } catch (error) {
          reject(error)
          throw error
        }
      },
      async return(): Promise<IteratorResult<Event, void>> {
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
      async throw(error: unknown): Promise<IteratorResult<Event, void>> {
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
