// Modelled evaluations on several processes, each with a model of its own. What they find is what one process finds.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { AbortError, ArgumentError, BackendCrashedError } from '../../engine/errors.ts'
import type { Evaluation, Objective } from '../../search/objective.ts'
import { keyOf, type Point } from '../../search/space.ts'
import { printable } from '../terminal.ts'
import type { FromWorker, ToWorker } from './serve.ts'

export interface WorkersOptions {
  readonly count: number
  /** What a worker runs; it calls `serve`. */
  readonly script: URL
  /** What its objective is made of; goes there as JSON. */
  readonly begin: unknown
  /** The same objective here, of which the id is compared. */
  readonly objective: Objective
  readonly signal?: AbortSignal | undefined
}

/** An objective whose points are evaluated by processes, which end when it is disposed. */
export type Workers = Objective & AsyncDisposable

interface Job {
  readonly key: string
  /** Workers that ended while they had it. */
  deaths: number
  readonly resolve: (evaluation: Evaluation) => void
  readonly reject: (error: unknown) => void
}

/** A point that ends so many workers is not tried again, and no search has so many new ones for each that it began with. */
const most = { deaths: 2, restarts: 5 }

/** What a worker wrote last, in letters: told where it ends by itself. */
const mostSaid = 1000

/**
 * Starts the processes, and resolves when all are ready. The points of a worker that ends are evaluated by another one, which
 * takes its place. Throws {@link BackendCrashedError} for a worker that fails, that ends before it is ready, or where a point
 * ended two of them, and {@link ArgumentError} where a worker's objective is another.
 */
export async function startWorkers({ count, script, begin, objective, signal }: WorkersOptions): Promise<Workers> {
  const children = new Set<ChildProcess>()
  const idle: ChildProcess[] = []
  const waiting: Job[] = []
  const busy = new Map<ChildProcess, Job>()
  let restarts = 0
  let broken: Error | undefined

  function breakDown(error: Error): void {
    broken ??= error
    for (const job of [...waiting.splice(0), ...busy.values()]) job.reject(broken)
    busy.clear()
    for (const child of children) child.kill('SIGKILL')
  }

  function give(): void {
    while (waiting.length > 0 && idle.length > 0) {
      const [job, child] = [waiting.shift()!, idle.shift()!]
      busy.set(child, job)
      send(child, { key: job.key })
    }
  }

  function take(child: ChildProcess, message: FromWorker): void {
    if ('failed' in message) {
      breakDown(new BackendCrashedError(`a worker of the search failed: ${message.failed}`))
    } else if ('ready' in message && message.ready !== objective.id) {
      breakDown(otherObjective(objective.id, message.ready))
    } else {
      if ('evaluation' in message) busy.get(child)?.resolve(message.evaluation)
      busy.delete(child)
      idle.push(child)
      give()
    }
  }

  /** Resolves when it is ready. */
  function start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(script), [], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
      children.add(child)
      let said = ''
      let ready = false
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-mostSaid)
      })
      child.on('message', (message: FromWorker) => {
        ready ||= 'ready' in message
        take(child, message)
        if (broken) reject(broken)
        else resolve()
      })
      child.on('error', (cause) => {
        children.delete(child)
        breakDown(new BackendCrashedError(`a worker of the search could not be started: ${cause.message}`, { cause }))
        reject(broken)
      })
      child.on('close', (code, by) => {
        children.delete(child)
        if (idle.includes(child)) idle.splice(idle.indexOf(child), 1)
        if (broken) return reject(broken)
        const how = `ended ${by ? `by ${by}` : `with code ${code}`}${said && `: ${printable(said.trim())}`}`
        const job = busy.get(child)
        busy.delete(child)
        if (job) waiting.unshift(job)
        if (!ready) breakDown(new BackendCrashedError(`a worker of the search ${how}, before it was ready`))
        else if (++restarts > most.restarts * count) {
          breakDown(new BackendCrashedError(`workers of the search end again and again; the last ${how}`))
        } else if (job && ++job.deaths >= most.deaths) {
          breakDown(
            new BackendCrashedError(`a second worker of the search ${how}, both while they evaluated ${job.key}`),
          )
        }
        if (broken) return reject(broken)
        start().catch(() => {}) // what it was is `broken`, which all that are asked throw
      })
      send(child, { begin })
    })
  }

  const onAbort = (): void => breakDown(new AbortError('the search was aborted', { cause: signal?.reason }))
  signal?.addEventListener('abort', onAbort)
  async function dispose(): Promise<void> {
    signal?.removeEventListener('abort', onAbort)
    const ended = [...children].map((child) => once(child, 'close'))
    breakDown(new AbortError('the workers of the search were ended'))
    await Promise.all(ended)
  }

  if (signal?.aborted) onAbort()
  try {
    await Promise.all(Array.from({ length: count }, () => (broken ? Promise.reject(broken) : start())))
  } catch (error) {
    await dispose()
    throw error
  }
  return {
    ...objective,
    evaluate: (points: readonly Point[]) =>
      Promise.all(
        points.map(
          (point) =>
            new Promise<Evaluation>((resolve, reject) => {
              if (broken) return reject(broken)
              waiting.push({ key: keyOf(point), deaths: 0, resolve, reject })
              give()
            }),
        ),
      ),
    [Symbol.asyncDispose]: dispose,
  }
}

/** A worker that has just ended cannot be told anything; that it has ended will be heard. */
function send(child: ChildProcess, message: ToWorker): void {
  child.send(message, () => {})
}

function otherObjective(here: string, there: string): ArgumentError {
  return new ArgumentError(
    `the objective of a worker is ${there}, and that of the search ${here}: this backend does not compute the same in every process; leave out --workers`,
  )
}
