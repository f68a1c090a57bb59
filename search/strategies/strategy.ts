// What a strategy is: it asks for points, and is told what they are worth.

import type { Seeded } from '../../decode/seeded.ts'
import type { Turn } from '../../engine/turn.ts'
import type { Inside } from '../objective.ts'
import type { Point } from '../space.ts'

/** What a strategy may go by. */
export interface StrategyStart {
  readonly sublayers: number
  /** Evaluations that it has, those of the points that all strategies start from among them. */
  readonly budget: number
  /** What each sublayer costs, over a plain pass, `[sublayers]`. */
  readonly costs: readonly number[]
  /** Where there is a model to look into. */
  readonly inside: Inside | undefined
  /** The only source of chance: the same seed makes the same search. */
  readonly random: Seeded
  /** What was evaluated before it began: the empty set, and early exits. */
  readonly known: readonly Told[]
  /** To be awaited between pieces of long thought, so that Ctrl-C is heard: it throws `AbortError` then. */
  readonly turn?: Turn | undefined
}

/** A point and its speed-up over plain decoding. */
export interface Told {
  readonly point: Point
  readonly value: number
}

/**
 * Yields points, and is handed the speed-up of each, in their order. Several at once may be evaluated in parallel. Points that were
 * evaluated before are answered from memory and cost nothing; who yields many of those in a row, as who returns, has ended.
 */
export type Asking = AsyncGenerator<readonly Point[], void, readonly number[]>

export interface Strategy {
  readonly name: string
  /** Begins, for one search. */
  start(about: StrategyStart): Asking
}
