// A set that was found, in words and as JSON.

import type { Found } from '../../search/memory.ts'
import type { Evaluation } from '../../search/objective.ts'
import { keyOf, skipOf } from '../../search/space.ts'
import { describeSkip } from '../summary.ts'

/** What the JSON of a search says it is. */
export const searchResultFormat = 'drafthorse/search-result@1'

/** A set, for `--json`. */
export function setOf({
  point,
  speedup,
  draftLength,
  survival,
  draft,
}: Pick<Found, 'point' | keyof Evaluation>): object {
  return { key: keyOf(point), skip: skipOf(point), speedup, draftLength, survival, draft }
}

/** A set and what it brings, in a line. */
export function describeFound({
  point,
  speedup,
  draftLength,
}: Pick<Found, 'point' | 'speedup' | 'draftLength'>): string {
  return `${speedup.toFixed(3)} times plain decoding with drafts of ${draftLength}, ${describeSet({ point })}`
}

/** What of a model it skips. */
export function describeSet({ point }: Pick<Found, 'point'>): string {
  const skipped = point.filter(Boolean).length
  return `${skipped} of ${point.length} sublayers skipped (${describeSkip(skipOf(point))})`
}
