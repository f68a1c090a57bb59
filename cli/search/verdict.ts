// What a search ends with: which sets are timed, and which of them is chosen.

import type { ConfirmedRecord } from '../../search/journal.ts'
import type { Found } from '../../search/memory.ts'
import { beatsPlain } from '../../search/verdict.ts'

/** The best of what was found, and the set that the model has already, where drafting with them is expected to pay. */
export function candidatesOf(
  found: readonly Found[],
  { own, most }: { readonly own: Found | undefined; readonly most: number },
): Found[] {
  const pays = ({ speedup, draftLength }: Found): boolean => speedup > 1 && draftLength > 0
  const best = found.filter(pays).slice(0, most)
  return own && pays(own) && most > 0 && !best.some(({ key }) => key === own.key) ? [...best, own] : best
}

/**
 * The fastest of the sets that changed no text and were faster than plain decoding beyond what chance makes of as many
 * comparisons; undefined where there is none, and plain decoding is fastest.
 */
export function fastest(confirmed: readonly ConfirmedRecord[]): ConfirmedRecord | undefined {
  return confirmed.filter(beatsPlain).toSorted((a, b) => b.speedup.median - a.speedup.median)[0]
}
