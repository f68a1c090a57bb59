// How far a median can be trusted: what it might have been, had other prompts been drawn.

import { seeded } from '../decode/seeded.ts'
import { spread } from '../decode/timing.ts'

/** A median, and between which figures it lies with the probability asked for. */
export interface Interval {
  readonly median: number
  readonly low: number
  readonly high: number
  readonly count: number
}

export interface IntervalOptions {
  /** Default 0.95. */
  readonly probability?: number
  /** Default 4000. */
  readonly resamples?: number
  /** Default 1. The same figures and seed give the same interval. */
  readonly seed?: number
}

/**
 * The median of the figures with its interval by the percentile bootstrap (Efron 1979): so many samples of as many figures
 * are drawn from them, with replacement, and of their medians the outermost are left off.
 */
export function medianInterval(figures: readonly number[], options: IntervalOptions = {}): Interval {
  const { probability = 0.95, resamples = 4000, seed = 1 } = options
  const chance = seeded(seed, 'bootstrap', figures.length)
  const draw = (): number => figures[chance.below(figures.length)]!
  const medians = Array.from({ length: resamples }, () => spread(figures.map(draw)).median).sort((a, b) => a - b)
  const at = (share: number): number => medians[Math.round(share * (medians.length - 1))]!
  const outside = (1 - probability) / 2
  return { median: spread(figures).median, low: at(outside), high: at(1 - outside), count: figures.length }
}
