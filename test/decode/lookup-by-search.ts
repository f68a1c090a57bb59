// Prompt lookup as it is defined, by searching the whole text at every step: the oracle of the index.

/** The longest end of `history`, of at most `longest` tokens, that stood in it before: where, latest first, and how long. */
export function searchBack(history: readonly number[], longest: number): { length: number; next: readonly number[] } {
  for (let length = Math.min(longest, history.length - 1); length >= 1; length--) {
    const end = history.slice(-length)
    const next: number[] = []
    for (let at = history.length - 1; at >= length; at--) {
      if (end.every((token, i) => token === history[at - length + i])) next.push(at)
    }
    if (next.length > 0) return { length, next }
  }
  return { length: 0, next: [] }
}
