// Acceptance by equality: a drafted token stands if it is the one that the model itself chooses.

import type { Sampler } from '../sampler.ts'
import type { Acceptance, VerifiedRound } from './acceptance.ts'

/**
 * The drafted tokens that the model chooses too, up to the first that it does not, and then the model's own. `choose` gives
 * its choice at the place of a drafted token, or after the last; no place is asked for in vain.
 */
export function acceptEqual(drafted: readonly number[], choose: (at: number) => number): number[] {
  const tokens: number[] = []
  while (true) {
    const at = tokens.length
    const token = choose(at)
    tokens.push(token)
    if (at === drafted.length || token !== drafted[at]) return tokens
  }
}

/** {@link acceptEqual}, for choices by a row of logits and by all tokens before it, those that were accepted among them. */
export function acceptChosen({ drafted, history, logits }: VerifiedRound, choose: Sampler['choose']): number[] {
  const before = [...history]
  return acceptEqual(drafted, (at) => {
    const token = choose(logits(at), before)
    before.push(token)
    return token
  })
}

/**
 * Keeps exactly what `sampler` chooses in plain decoding. Drafts choose with it too: they meet the same noise, and agree at a rate
 * of `sum_i 1 / sum_j max(p_j/p_i, q_j/q_i)`.
 */
export function acceptByEquality(sampler: Sampler): Acceptance {
  return {
    name: 'equality',
    drafting: sampler,
    accept: (round) => acceptChosen(round, sampler.choose),
    get milliseconds() {
      return sampler.milliseconds
    },
  }
}
