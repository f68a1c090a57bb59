// Which tokens may be drawn: those that top-k, then top-p, and then min-p leave. Found by selection, not by sorting: one token
// is looked for, the last that stays.

import { exp, log } from './elementary.ts'

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
  const shrink = (): void => {
    const sorted = values.subarray(0, count).sort()
    sorted.copyWithin(0, count - k)
    count = k
    least = sorted[0]!
  }
  for (let id = 0; id < scores.length; id++) {
    if (!(scores[id]! > least)) continue
    values[count++] = scores[id]!
    if (count === most) shrink()
  }
  if (count > k) shrink()
  return count < k ? Number.NEGATIVE_INFINITY : values.subarray(0, k).reduce((a, b) => Math.min(a, b))
}

/** Below this share of the largest, `e^-32`, probabilities do not show in the sum of all. */
const unseen = -32

/** The cut of top-p, among tokens whose score is at least `among`. */
function nucleus(
  scores: Float64Array,
  { largest, among, topP, room }: { largest: number; among: number; topP: number; room: CutRoom },
): Cut {
  const { candidates, values: weights } = room
  let total = 0
  for (let id = 0; id < scores.length; id++) {
    const below = scores[id]! - largest
    const weight = scores[id]! < among || below < unseen ? 0 : exp(below)
    weights[id] = weight
    total += weight
  }
  // All that are lighter than this have at most 1 - topP together.
  const light = ((1 - topP) * total) / scores.length
  let count = 0
  for (let id = 0; id < scores.length; id++) if (weights[id]! > light) candidates[count++] = id
  return heaviest(scores, { candidates: candidates.subarray(0, count), weights, mass: topP * total })
}

/** The last of the fewest most likely candidates that have this mass together; found by halves, as quicksort makes them. */
function heaviest(
  scores: Float64Array,
  { candidates, weights, mass }: { candidates: Int32Array; weights: Float64Array; mass: number },
): Cut {
  let [from, to, missing] = [0, candidates.length, mass]
  while (to - from > 1) {
    const middle = (from + to) >> 1
    const pivot = candidates[middle]!
    candidates[middle] = candidates[to - 1]!
    let [at, above] = [from, 0]
    for (let i = from; i < to - 1; i++) {
      const id = candidates[i]!
      if (scores[id]! < scores[pivot]! || (scores[id] === scores[pivot] && id > pivot)) continue
      candidates[i] = candidates[at]!
      candidates[at++] = id
      above += weights[id]!
    }
    candidates[to - 1] = candidates[at]!
    candidates[at] = pivot
    if (above >= missing) to = at
    else {
      missing -= above + weights[pivot]!
      from = at + 1
      if (missing <= 0) to = from
    }
  }
  const id = candidates[to - 1]!
  return { score: scores[id]!, id }
}
