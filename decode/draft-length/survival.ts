// How far drafts hold: the chance that a drafted token is accepted where all before it were, by its depth.

/** A round's draft: of `drafted` tokens the first `accepted` held. What lies deeper was never seen: it is censored. */
export interface DraftOutcome {
  readonly drafted: number
  readonly accepted: number
}

export interface Survival {
  /** The chance that the token at `depth`, from 1, is accepted if those before it are. */
  chance(depth: number): number
  /** Tokens to expect from drafting `length`: the model's own and S_1 + .. + S_length, S_k the chance that k are accepted. */
  tokens(length: number): number
  observe(outcome: DraftOutcome): void
  /** Lets what was seen so far count for `rounds` rounds at most: it was long ago. */
  fade(rounds: number): void
}

export interface SurvivalOptions {
  /** The chance at depth 1 where nothing was seen. */
  readonly first: () => number
  /** `shares[k - 1]`: the share of rounds of which k tokens were accepted, as it was measured before. */
  readonly prior?: readonly number[] | undefined
}

/** What a round leaves of those before it: after 34 rounds they count for half. */
const kept = 0.98
/** Rounds that the depth before counts for. */
const shallowerWeight = 2
/** Rounds that a prior counts for. */
const priorWeight = 8

/**
 * Chances over recent rounds. A depth of which little was seen takes after the one before it, which is as good as known
 * where drafts hold alike at all depths, and asks for nothing else.
 */
export function survival({ first, prior = [] }: SurvivalOptions): Survival {
  const tried: number[] = []
  const held: number[] = []
  for (const [at, share] of prior.entries()) {
    tried.push(priorWeight * (prior[at - 1] ?? 1))
    held.push(priorWeight * share)
  }

  const chanceAfter = (before: number, depth: number): number =>
    ((held[depth - 1] ?? 0) + shallowerWeight * before) / ((tried[depth - 1] ?? 0) + shallowerWeight)

  function scale(share: number): void {
    for (const counts of [tried, held]) for (const [at, count] of counts.entries()) counts[at] = count * share
  }

  return {
    chance(depth) {
      let chance = first()
      for (let at = 1; at <= depth; at++) chance = chanceAfter(chance, at)
      return chance
    },
    tokens(length) {
      let [sum, share, chance] = [1, 1, first()]
      for (let depth = 1; depth <= length; depth++) {
        chance = chanceAfter(chance, depth)
        share *= chance
        sum += share
      }
      return sum
    },
    observe({ drafted, accepted }) {
      scale(kept)
      for (let depth = 1; depth <= Math.min(drafted, accepted + 1); depth++) {
        tried[depth - 1] = (tried[depth - 1] ?? 0) + 1
        held[depth - 1] = (held[depth - 1] ?? 0) + (depth <= accepted ? 1 : 0)
      }
    },
    fade(rounds) {
      const [seen = 0] = tried
      if (seen > rounds) scale(rounds / seen)
    },
  }
}
