// What rounds of one draft take over a plain one, by the length drafted.

import type { DraftCosts } from '../../model/draft-costs.ts'
import { roundCost } from './pass-costs.ts'
import { type RecentMedian, recentMedian, sideOf } from './recent-median.ts'

export interface RoundCurve {
  /** Rounds measured, of all lengths. */
  readonly measured: number
  /** Measured, as far as the length was seen often, else inferred. */
  ratio(length: number): number
  /** By the rounds of all lengths alike: what two lengths differ by is then not that of two medians. */
  inferred(length: number): number
}

export interface GrowingCurve extends RoundCurve {
  /** Takes the ratio of a round, and says whether it lies above (1) or below (-1) those of its length so far. */
  add(length: number, ratio: number): -1 | 0 | 1
}

export interface RoundCurveOptions {
  readonly runs: boolean
  readonly lanes: number
  readonly prior: DraftCosts | undefined
}

interface LengthTimes {
  /** Rounds seen, that which does not count among them. */
  seen: number
  readonly recent: RecentMedian
}

/** Rounds of a length that its time is the median of. */
const windowSize = 16
/** Rounds from which on a median bears an outlier. */
const enough = 3
/** Rounds of its length that those of other lengths count for. */
const othersWeight = 4
/** Rounds that the shape of a curve counts for, as it was measured before or as it is guessed. */
const shapeWeight = { prior: 2, guess: 0.25 } as const

/**
 * A length not seen often takes after the others: what its rounds cost beyond a plain one by the prior (roundCost), scaled by
 * what was found for those of all lengths. Among these the outliers of one are few.
 */
export function roundCurve({ runs, lanes, prior }: RoundCurveOptions): GrowingCurve {
  const lengths: LengthTimes[] = []
  const extras: number[] = []
  const scales = recentMedian({ size: windowSize, restarts: false })
  const weight = prior ? shapeWeight.prior : shapeWeight.guess
  let measured = 0
  let spared = false

  /** What a round should cost beyond a plain one. */
  function extra(length: number): number {
    extras[length] ??= Math.max(roundCost({ runs, length, lanes }, prior) - 1, 0.001)
    return extras[length]
  }

  function inferred(length: number): number {
    const found = scales.count > 0 ? scales.count * Math.max(0, scales.median) : 0
    return 1 + ((found + weight) / (scales.count + weight)) * extra(length)
  }

  return {
    get measured() {
      return measured
    },
    inferred,
    ratio(length) {
      const recent = lengths[length]?.recent
      if (!recent || recent.count < enough) return inferred(length)
      return (recent.count * recent.median + othersWeight * inferred(length)) / (recent.count + othersWeight)
    },
    add(length, ratio) {
      lengths[length] ??= { seen: 0, recent: recentMedian({ size: windowSize }) }
      const own = lengths[length]
      if (own.seen++ === 0) return 0
      // Before anything was measured one round that took longer than its passes one by one would is not believed.
      if (measured === 0 && !spared && ratio > (runs ? 2 * length + 1 : length + 1)) {
        spared = true
        return 0
      }
      const side = own.recent.count > 1 ? sideOf(ratio, own.recent.median) : 0
      own.recent.add(ratio)
      scales.add((ratio - 1) / extra(length))
      measured++
      return side
    },
  }
}
