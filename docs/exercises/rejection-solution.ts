// A solution of rejection.md (Leviathan et al. 2023, section 2.3).

import { draw } from './draw.ts'
import type { Round } from './rejection-checks.ts'

/** The tokens that a round keeps: drafted ones up to the first that falls, and then one of the model's own. */
export default function accept({ drafted, q, p, uniform }: Round): number[] {
  for (const [at, token] of drafted.entries()) {
    const [model, draft] = [p[at]!, q[at]!]
    if (uniform() < model[token]! / draft[token]!) continue
    // Never the token that fell, of which the model has less.
    const more = model.map((probability, id) => Math.max(0, probability - draft[id]!))
    return [...drafted.slice(0, at), draw(more, uniform())]
  }
  return [...drafted, draw(p[drafted.length]!, uniform())]
}
