// Which tokens may be drawn: those that top-k, then top-p, and then min-p leave. Found by selection, not by sorting: one token
// is looked for, the last that stays.

import { log } from './elementary.ts'
import { nucleus } from './nucleus.ts'

/** Where likelihood is cut off: scores above stay, and of equal ones those of ids up to `id`. */
export interface Cut {
  readonly score: number
  readonly id: number
}

export function isKept(cut: Cut, score: number, id: number): boolean {
  return score > cut.score || (score === cut.score && id <= cut.id)
}

/** Memory for the search of a cut, `[vocabSize]` each; it may serve any number of searches, one after the other. */
export interface CutRoom {
  readonly candidates: Int32Array
  readonly values: Float64Array
}

/** How far down tokens are kept; `SamplingOptions` says what each means. */
export interface Filters {
  readonly topK: number
  readonly topP: number
  readonly minP: number
}

/** What top-k, then top-p, and then min-p leave. */
export function cutOf(scores: Float64Array, top: number, { topK, topP, minP }: Filters, room: CutRoom): Cut {
  const largest = scores[top]!
  const all = Number.POSITIVE_INFINITY
  const among = topK > 0 && topK < scores.length ? kthLargest(scores, topK, room.values) : Number.NEGATIVE_INFINITY
  const cut = topP < 1 ? nucleus(scores, { largest, among, topP, room }) : { score: among, id: all }
  const least = minP > 0 ? largest + log(minP) : Number.NEGATIVE_INFINITY
  return least > cut.score ? { score: least, id: all } : cut
}

/** Keeps up to twice as many of the largest as are asked for, so that few are ever sorted. */
function kthLargest(scores: Float64Array, k: number, values: Float64Array): number {
  const most = Math.min(2 * k, scores.length)
  let [count, least] = [0, Number.NEGATIVE_INFINITY]
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!
    if (!(score > least)) continue
    values[count++] = score
    if (count === most) {
      least = keepLargest(values, count, k)
      count = k
    }
  }
  if (count < k) return Number.NEGATIVE_INFINITY
  return keepLargest(values, count, k)
}

/** Moves the `k` largest of `count` to the front, in order, and returns the least of them. */
function keepLargest(values: Float64Array, count: number, k: number): number {
  values
    .subarray(0, count)
    .sort()
    .copyWithin(0, count - k)
  return values[0]!
}
