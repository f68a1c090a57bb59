// What one round of decoding yields, plain or speculative.

import type { Turn } from '../engine/turn.ts'
import type { Sequence } from '../model/cache.ts'
import type { Sampler } from './sampler.ts'

/** Where decoding stands: every token before `newest` is cached. */
export interface Position {
  readonly sequence: Sequence
  readonly newest: number
  readonly turn: Turn
  /** Chooses tokens; without one they are the most likely, which the backend finds. */
  readonly sampler?: Sampler | undefined
}

/** Tokens chosen by the full model, and what they cost. Nothing is committed yet: fewer may be kept. */
export interface Round {
  /** At least one: the accepted drafts and the model's own next token. */
  readonly tokens: readonly number[]
  readonly drafted: readonly number[]
  readonly accepted: number
  readonly cost: RoundCost
}

export interface RoundCost {
  readonly draftPasses: number
  /** Sublayers run, each counted once for every row. */
  readonly sublayersRun: number
  readonly draftMs: number
  readonly verifyMs: number
}
