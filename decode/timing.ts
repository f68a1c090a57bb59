// Timing that can be trusted on a noisy machine: the sides take turns within one run, and figures are medians with
// their spread.

import type { Turn } from '../engine/turn.ts'

/** One of the things compared. */
export interface Side {
  readonly name: string
  /** Does the work of one round and gives its figure, in whatever unit. */
  run(round: number): Promise<number>
}

export interface TimingOptions {
  /** Rounds that count; in each every side runs once. */
  readonly rounds: number
  /** Rounds before these, which do not count. Default 1. */
  readonly warmup?: number
  /** Called between runs. */
  readonly turn?: Turn
  readonly onRun?: (done: number, total: number) => void
}

/**
 * Runs the sides round by round, in the order given and then backwards in turn, so that a machine which slows down slows
 * all of them. Figures come in the order of the rounds: those of one index belong together.
 */
export async function interleave(
  sides: readonly Side[],
  { rounds, warmup = 1, turn, onRun }: TimingOptions,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const figures = new Map<string, number[]>(sides.map(({ name }) => [name, []]))
  const total = (rounds + warmup) * sides.length
  let done = 0
  for (let round = -warmup; round < rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      await turn?.()
      const figure = await side.run(Math.max(0, round))
      if (round >= 0) figures.get(side.name)!.push(figure)
      onRun?.(++done, total)
    }
  }
  return figures
}

/** How figures lie. `low` and `high` are the quartiles. */
export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
  readonly count: number
}

/** Median and quartiles of at least one figure. */
export function spread(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b)
  return {
    median: quantile(sorted, 0.5),
    low: quantile(sorted, 0.25),
    high: quantile(sorted, 0.75),
    count: sorted.length,
  }
}

/** The spread of `above[i] / below[i]`, pair by pair. */
export function pairedRatio(above: readonly number[], below: readonly number[]): Spread {
  return spread(above.map((figure, i) => figure / below[i]!))
}

/** Linear between the nearest two, as numpy's default. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1)
  const before = sorted[Math.floor(at)] ?? Number.NaN
  const after = sorted[Math.ceil(at)] ?? Number.NaN
  return before + (after - before) * (at - Math.floor(at))
}
