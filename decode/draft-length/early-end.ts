// What a draft's confidences say of a round: when to end it, and what it brings.

import type { LaneReport } from './draft-length.ts'
import type { RoundCurve } from './round-curve.ts'
import type { Source } from './source.ts'

/**
 * Whether to go on, to be asked after each token of a round: while the chance that all tokens hold and the next one too, times
 * what a token takes at `speedup`, is more than the next one costs.
 */
export function goesOnWhileItPays(
  { survival, calibration }: Source,
  { curve: { inferred: cost }, speedup }: { curve: RoundCurve; speedup: number },
): (confidence: number) => boolean {
  const { chance } = survival(undefined)
  let [share, length] = [1, 0]
  return (confidence) => {
    length++
    share *= calibration.acceptance(confidence)
    return (share * chance(length + 1)) / speedup > cost(length + 1) - cost(length)
  }
}

/** Tokens to expect of what was drafted: by its confidences where they are known. */
export function expectedTokens({ survival, calibration }: Source, lane: LaneReport): number {
  const { kind, drafted, confidences = [] } = lane
  if (confidences.length < drafted) return survival(kind).tokens(drafted)
  let [sum, share] = [1, 1]
  for (const confidence of confidences) {
    share *= calibration.acceptance(confidence)
    sum += share
  }
  return sum
}
