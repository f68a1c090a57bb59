// Acceptance by equality: a drafted token stands if it is the one that the model itself chooses.

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
