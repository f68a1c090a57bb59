// A worker's side of a search: a process that evaluates one point after the other, as it is asked over its channel.

import type { Evaluation, Objective } from '../../search/objective.ts'
import { pointOf } from '../../search/space.ts'

/** The first message has what the objective is made of, all others have a point. */
export type ToWorker = { readonly begin: unknown } | { readonly key: string }

export type FromWorker =
  | { readonly ready: string }
  | { readonly key: string; readonly evaluation: Evaluation }
  | { readonly failed: string }

/** Answers until the channel closes, which ends the process: a search that was killed leaves no workers behind. */
export function serve(open: (begin: unknown) => Promise<Objective>): void {
  let objective: Objective | undefined
  const answer = async (message: ToWorker): Promise<FromWorker> => {
    if ('begin' in message) {
      objective = await open(message.begin)
      return { ready: objective.id }
    }
    if (!objective) throw new Error('asked for a point before it was told of what')
    const { key } = message
    const [evaluation] = await objective.evaluate([pointOf(key, objective.sublayers)])
    return { key, evaluation: evaluation! }
  }
  // Ctrl-C reaches all processes of a terminal; who asks decides when this one ends.
  process.on('SIGINT', () => {})
  process.on('disconnect', () => process.exit(0))
  process.on('message', (message: ToWorker) => {
    answer(message)
      .catch((error: unknown): FromWorker => ({ failed: error instanceof Error ? error.message : String(error) }))
      .then((reply) => process.send?.(reply))
  })
}
