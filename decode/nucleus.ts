// Where top-p cuts. The masses of narrow bins of scores say in which bin the cut lies, so that only its tokens are looked at one
// by one; where rounding could decide, and only there, the masses of single tokens are added up.

import type { Cut, CutRoom } from './cut.ts'
import { exp } from './elementary.ts'

/** Below this share of the largest, `e^-32`, probabilities do not show in the sum of all. */
const unseen = -32

/** How many to one step of e. */
const binsPerUnit = 64

/** The probability in the middle of each bin, as a share of the largest. */
const middles: Float64Array = Float64Array.from({ length: -unseen * binsPerUnit + 1 }, (_, bin) =>
  exp(-(bin + 0.5) / binsPerUnit),
)

/** Of each bin; a search fills it anew. */
const masses = new Float64Array(middles.length)

/** What rounding, and the series by which a bin's mass is found, move of the sum of a vocabulary at most: below `1e-11`. */
const blurred = 3e-11

export interface NucleusOptions {
  readonly largest: number
  /** Tokens of a score below this are left out. */
  readonly among: number
  readonly topP: number
  readonly room: CutRoom
}

/** The cut of top-p, among tokens whose score is at least `among`. */
export function nucleus(scores: Float64Array, options: NucleusOptions): Cut {
  return nucleusByBins(scores, options) ?? nucleusByTokens(scores, options)
}

/** The same, or undefined where it is too close to tell. */
function nucleusByBins(scores: Float64Array, { largest, among, topP, room }: NucleusOptions): Cut | undefined {
  const { candidates, values: weights } = room
  const lowest = Math.max(among, largest + unseen)
  masses.fill(0)
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!
    if (score < lowest) continue
    const below = score - largest
    const bin = (below * -binsPerUnit) | 0
    const r = below + (bin + 0.5) * (1 / binsPerUnit)
    masses[bin]! += middles[bin]! * (1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24)))))
  }
  let total = 0
  for (let bin = 0; bin < masses.length; bin++) total += masses[bin]!
  let [missing, bin] = [topP * total, 0]
  while (bin < masses.length && masses[bin]! < missing) missing -= masses[bin++]!
  // A bin below this one at least, so that one comparison is enough for nearly all.
  const near = Math.max(lowest, largest - (bin + 2) / binsPerUnit - Math.abs(largest) * Number.EPSILON)
  let count = 0
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!
    if (score < near || (((score - largest) * -binsPerUnit) | 0) !== bin) continue
    weights[id] = exp(score - largest)
    candidates[count++] = id
  }
  if (count === 0) return undefined
  const { cut, margin } = heaviest(scores, { candidates: candidates.subarray(0, count), weights, mass: missing })
  return margin > blurred * total ? cut : undefined
}

function nucleusByTokens(scores: Float64Array, { largest, among, topP, room }: NucleusOptions): Cut {
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
  return heaviest(scores, { candidates: candidates.subarray(0, count), weights, mass: topP * total }).cut
}

/**
 * The last of the fewest most likely candidates that have this mass together, found by halves, as quicksort makes them; and by
 * how much mass another would have to be it. The margin is negative where all candidates have less.
 */
function heaviest(
  scores: Float64Array,
  { candidates, weights, mass }: { candidates: Int32Array; weights: Float64Array; mass: number },
): { cut: Cut; margin: number } {
  let [from, to, missing] = [0, candidates.length, mass]
  /** What the tokens above the cut lack. */
  let short = Number.NEGATIVE_INFINITY
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
      short = missing - above
      missing -= above + weights[pivot]!
      from = at + 1
      if (missing <= 0) to = from
    }
  }
  const id = candidates[to - 1]!
  if (from < to) short = missing
  else if (missing > 0) short = Number.NEGATIVE_INFINITY
  return { cut: { score: scores[id]!, id }, margin: Math.min(short, weights[id]! - short) }
}
