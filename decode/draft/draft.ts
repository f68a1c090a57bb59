// What a draft is: a way to propose tokens that the model then verifies.

import type { Arena, Tensor } from '../../engine/backend.ts'
import type { Turn } from '../../engine/turn.ts'
import type { Sequence } from '../../model/cache.ts'
import type { Llama } from '../../model/llama.ts'
import type { Sampler } from '../sampler.ts'

/** A draft serves any number of generations; what one of them needs to remember lives in its session. */
export interface Draft {
  readonly name: string
  /** Called once when a generation starts. Throws `ArgumentError` where the draft cannot serve this model. */
  start(model: Llama): DraftSession
}

export interface DraftSession {
  /**
   * Called once a round, when `newest` is the last committed token and every token before it is cached. Returns at most
   * `limit` tokens (at least 1 is asked for); none makes the round a plain step. It may advance the sequence over rows
   * that it runs; the loop takes it back before it verifies.
   */
  propose(round: DraftRound): Promise<Proposal>
}

export interface DraftRound {
  readonly sequence: Sequence
  readonly newest: number
  readonly limit: number
  /**
   * Where given: to be called after each token with its probability under the draft; false makes it the last. A draft
   * without probabilities does not call it.
   */
  readonly goesOn?: ((confidence: number) => boolean) | undefined
  /**
   * Where tokens are sampled: the sampler that verification will choose with. A draft that chooses with it, by the whole
   * history before each token, meets the same noise and so agrees often; one that does not is as correct.
   */
  readonly sampler?: Sampler | undefined
  /** Memory of the round; it is released after verification. */
  readonly arena: Arena
  /** To be called between passes. */
  readonly turn: Turn
}

export interface Proposal {
  /** Drafted tokens: ids, or `i32 [1]` tensors that nobody has read yet. */
  readonly tokens: readonly (number | Tensor)[]
  /** Work that verification need not repeat. */
  readonly prefix?: Prefix
  /** Passes made, for the statistics. */
  readonly passes: number
  /** Sublayers run, summed over rows, for the statistics. */
  readonly sublayersRun: number
}

/**
 * Hidden rows that are already the full model's: those of `newest` and of the first drafted tokens, as they stand before
 * sublayer `to`, with the cache entries of the sublayers below it.
 */
export interface Prefix {
  readonly to: number
  /** `[at least rows, hiddenSize]`. */
  readonly hidden: Tensor
  readonly rows: number
}
