// What drafting with a skip set costs and brings, as it was measured before: where a draft length policy starts from.

/** All costs are over those of a plain pass of one row. */
export interface DraftCosts {
  /** One draft pass of one row. */
  readonly draft: number
  /** `verify[m - 1]`: a pass of the full model over m rows; the first is 1. */
  readonly verify: readonly number[]
  /** The part of a plain pass below the first skipped sublayer, which verification need not do again; without it, nothing. */
  readonly prefix?: number | undefined
  /** `survival[k - 1]`: the share of rounds of which k drafted tokens are accepted, had there been as many. */
  readonly survival: readonly number[]
}
