// What drafting could bring at most: from what passes cost and from how far drafts hold, the speed of each draft length, and
// so of the best.

/** What a round drafted, and what of it was accepted. */
export interface RoundOutcome {
  readonly drafted: number
  readonly accepted: number
  /** Passes that drafted; none where the draft only guesses. */
  readonly draftPasses: number
}

/** Costs over those of a plain pass. */
export interface RoundCosts {
  /** One draft pass of one row. */
  readonly draft: number
  /** `verify[m - 1]`: a pass of the full model over m rows; the first is 1. */
  readonly verify: readonly number[]
  /** The part of a plain pass below the first skipped sublayer, which drafting has done for verification. */
  readonly prefixShare: number
}

/**
 * What a round costs: `k*c + f + (1-f)*T(k+1)` for k drafts of the model's own, of which the part f is reused, and `T(k+1)`
 * for guesses. Passes of more rows than were measured go on as the last two.
 */
export function roundCost({ drafted, draftPasses }: RoundOutcome, costs: RoundCosts): number {
  const { draft, verify, prefixShare } = costs
  const reused = draftPasses > 0 ? prefixShare : 0
  return draftPasses * draft + reused + (1 - reused) * passCost(verify, drafted + 1)
}

function passCost(verify: readonly number[], rows: number): number {
  const known = verify[rows - 1]
  if (known !== undefined) return known
  const last = verify.at(-1)!
  return last + (rows - verify.length) * (last - (verify.at(-2) ?? 0))
}

/** Tokens in the time of a plain pass, over all rounds: the speed-up that the costs predict. */
export function predictedSpeedup(rounds: readonly RoundOutcome[], costs: RoundCosts): number {
  const tokens = rounds.reduce((sum, { accepted }) => sum + accepted + 1, 0)
  return tokens / rounds.reduce((sum, round) => sum + roundCost(round, costs), 0)
}

/** `R(k) / R(0)` for k from 1 on: the same rounds with drafts cut off after k tokens. */
export function speedupByLength(rounds: readonly RoundOutcome[], costs: RoundCosts, longest: number): number[] {
  return Array.from({ length: longest }, (_, i) =>
    predictedSpeedup(
      rounds.map((round) => cut(round, i + 1)),
      costs,
    ),
  )
}

function cut({ drafted, accepted, draftPasses }: RoundOutcome, most: number): RoundOutcome {
  const kept = Math.min(drafted, most)
  const passes = drafted === 0 ? draftPasses : Math.round((draftPasses * kept) / drafted)
  return { drafted: kept, accepted: Math.min(accepted, most), draftPasses: passes }
}

/**
 * `S_1 ... S_longest`: the share of rounds in which so many drafted tokens stand, had there been as many. Rounds that
 * drafted fewer count as far as they went (Kaplan and Meier 1958). Rounds that drafted nothing do not count. It ends where
 * no round went further.
 */
export function survivals(rounds: readonly RoundOutcome[], longest: number): number[] {
  const shares: number[] = []
  let share = 1
  for (let depth = 1; depth <= longest; depth++) {
    const there = rounds.filter(({ drafted, accepted }) => drafted >= depth && accepted >= depth - 1)
    if (there.length === 0) break
    share *= there.filter(({ accepted }) => accepted >= depth).length / there.length
    shares.push(share)
  }
  return shares
}
