// Which sets are timed after a search.

import type { Found } from '../../search/memory.ts'

/**
 * The best of what was found, where drafting with them is expected to pay, and the set that the model has already: also where
 * it is not expected to, if one of them may come in its place.
 */
export function candidatesOf(
  found: readonly Found[],
  { own, most }: { readonly own: Found | undefined; readonly most: number },
): Found[] {
  const pays = ({ speedup, draftLength }: Found): boolean => speedup > 1 && draftLength > 0
  const best = found.filter(pays).slice(0, most)
  const timesOwn = own && most > 0 && (best.length > 0 || pays(own))
  return timesOwn && !best.some(({ key }) => key === own.key) ? [...best, own] : best
}
