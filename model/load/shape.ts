// Shapes and lists of numbers from strangers: whether they are what they should be, and how much they claim.

export function isWholeNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0)
}

/**
 * `unit` times the number of values in a tensor of this shape; `Infinity` once that is too large to be exact, even if a
 * later dimension is 0.
 */
export function claimedSize(shape: readonly number[], unit: number): number {
  let size = unit
  for (const dimension of shape) {
    size *= dimension
    if (!Number.isSafeInteger(size)) return Number.POSITIVE_INFINITY
  }
  return size
}
