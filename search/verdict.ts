// When a set counts as faster than plain decoding.

import type { Spread } from '../decode/timing.ts'

/** Whether drafting changed no text and was faster beyond what chance makes of as many comparisons. */
export function beatsPlain({ identical, speedup }: { readonly identical: boolean; readonly speedup: Spread }): boolean {
  return identical && leastMedian(speedup) > 1
}

/** Where the true median lies at least, by the quartiles: the notch of a box plot (McGill, Tukey and Larsen 1978), of about 95 %. */
export function leastMedian({ median, low, high, count }: Spread): number {
  return median - (1.57 * (high - low)) / Math.sqrt(count)
}
