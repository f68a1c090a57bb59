// What each sublayer has of the whole: of the time of all, or of what hidden states lose.

/** Each over the sum of all; 0 for what is no number, and for all where there is nothing to divide. */
export function partsOf(amounts: readonly number[]): number[] {
  const known = amounts.map((amount) => (Number.isFinite(amount) ? amount : 0))
  const total = known.reduce((sum, amount) => sum + amount, 0)
  return known.map((amount) => (total > 0 ? amount / total : 0))
}
