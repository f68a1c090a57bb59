// Cuts the rows of a pass where the positions of their sequences cross a boundary.

import type { Segments } from '../backend.ts'
import type { TfjsCache } from './kv-cache.ts'

/** Consecutive rows of a pass, from row `at` on, at these positions of one sequence. */
export interface PassSpan {
  readonly cache: TfjsCache
  readonly at: number
  readonly positions: readonly number[]
}

/**
 * The spans of a pass whose tensors have `rows` rows: padded ones repeat the last row, so they stand at its position. Rows
 * share a span only where their positions divided by `granule` agree: what a row is computed with then depends on its own
 * position, whatever else is in the pass.
 */
export function spansOf(segments: Segments<TfjsCache>, rows: number, granule: number): PassSpan[] {
  const spans: PassSpan[] = []
  let at = 0
  for (const [i, { cache, start, count }] of segments.entries()) {
    const padding = i === segments.length - 1 ? rows - at - count : 0
    const positions = Array.from({ length: count + padding }, (_, row) => start + Math.min(row, count - 1))
    let from = 0
    for (let row = 1; row <= positions.length; row++) {
      if (row < positions.length && Math.floor(positions[row]! / granule) === Math.floor(positions[from]! / granule))
        continue
      spans.push({ cache, at: at + from, positions: positions.slice(from, row) })
      from = row
    }
    at += count
  }
  return spans
}
