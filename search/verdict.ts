// When a set counts as faster than plain decoding, and which of several is the fastest.

import type { Spread } from '../decode/timing.ts'
import type { ConfirmedRecord } from './journal.ts'

/** What of a timing decides. */
export type Timing = Pick<ConfirmedRecord, 'identical' | 'speedup' | 'costModel'>

/** Over plain decoding, as `generate` drafts unasked; where that was not timed, at the length that was expected to be best. */
export function unasked({ speedup, costModel }: Timing): Spread {
  return costModel ?? speedup
}

/** Whether drafting changed no text and was faster beyond what chance makes of as many comparisons, of so many sets. */
export function beatsPlain(timing: Timing, { among }: { readonly among: number }): boolean {
  return timing.identical && leastMedian(unasked(timing), { among }) > 1
}

/** The fastest of sets that were timed together and beat plain decoding; undefined where there is none. */
export function fastest<T extends Timing>(timed: readonly T[]): T | undefined {
  const among = timed.length
  return timed
    .filter((timing) => beatsPlain(timing, { among }))
    .toSorted((a, b) => unasked(b).median - unasked(a).median)[0]
}

/** Of each set what was timed last: a search that goes on times sets anew. */
export function timedLast(records: readonly ConfirmedRecord[]): ConfirmedRecord[] {
  return [...new Map(records.map((record) => [record.key, record])).values()]
}

/**
 * Where the true median lies at least, by the quartiles: the notch of a box plot (McGill, Tukey and Larsen 1978), of about 95 %
 * for all of so many sets together, after Bonferroni: the best of several is often the luckiest.
 */
export function leastMedian({ median, low, high, count }: Spread, { among }: { readonly among: number }): number {
  const wider = normalQuantile(doubt / 2 / among) / normalQuantile(doubt / 2)
  return median - (1.57 * wider * (high - low)) / Math.sqrt(count)
}

const doubt = 0.05

/** What a normal variable exceeds with this probability, below 0.5, to 0.00045 (Abramowitz and Stegun 26.2.23). */
function normalQuantile(probability: number): number {
  const t = Math.sqrt(-2 * Math.log(probability))
  const above = 2.515517 + t * (0.802853 + t * 0.010328)
  const below = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308))
  return t - above / below
}
