// What a draft is: a way to propose tokens that the model then verifies. Whatever tokens it proposes, the text is the model's
// own. What it proposes is checked, but for two things that are taken on trust: the rows of a `prefix`, which verification does
// not compute again, and what the draft does with the `sequence` of a round beyond running rows behind its end.

import type { Arena, Tensor } from '../../engine/backend.ts'
import type { Turn } from '../../engine/turn.ts'
import type { Sequence } from '../../model/cache.ts'
import type { Llama } from '../../model/llama.ts'

/** One way to draft, or several, which are asked in their order until one has something. */
export type Draft = SingleDraft | CascadeDraft

/** A draft serves any number of generations; what one sequence needs to remember lives in its session. */
export interface SingleDraft {
  readonly name: string
  /** Called once for each sequence, when its generation starts. Throws `ArgumentError` where the draft cannot serve this model. */
  start(model: Llama): DraftSession
  /**
   * Where given, called in place of `propose` for all sequences of a batch that draft this way in a round, so that they can
   * share passes. Proposals in the order of the rounds.
   */
  together?(model: Llama, rounds: readonly DraftRound[]): Promise<readonly Proposal[]>
}

export interface CascadeDraft {
  readonly name: string
  readonly parts: readonly SingleDraft[]
}

/** A session either guesses, which costs nothing worth counting, or proposes, for which it may run the model. */
export type DraftSession = GuessSession | ProposeSession

export interface GuessSession {
  /**
   * Called before every round, also of those in which another draft is asked or none, so that guesses can be scored
   * without being verified. `history` is all tokens so far, the newest last, and only ever grows: the same list each time, this
   * session's own, which is to be read only. Returns at most `limit` tokens to follow it (at least 1 is asked for, and 64 at
   * most, however long drafts may be), or none.
   */
  guess(history: readonly number[], limit: number): Guess
}

export interface Guess {
  readonly tokens: readonly number[]
  /** What sort of guess it is, where some are better than others: a policy may judge each sort by itself. */
  readonly kind?: string | undefined
  /** How likely the first token of such a guess holds, 0 to 1, where that is known before any was scored. */
  readonly chance?: number | undefined
}

export interface ProposeSession {
  /**
   * Called once a round, when `newest` is the last committed token and every token before it is cached. Returns at most
   * `limit` tokens (at least 1 is asked for); none makes the round a plain step. It may advance the sequence over rows
   * that it runs; the loop takes it back before it verifies.
   */
  propose(round: DraftRound): Promise<Proposal>
  /**
   * Of an early exit: the draft is the model's sublayers before this one, and its head, so that a pass of the full model can
   * show what it would have proposed.
   */
  readonly exit?: number | undefined
}

export interface DraftRound {
  readonly sequence: Sequence
  readonly newest: number
  readonly limit: number
  /**
   * Where given: to be called after each token with its probability under the draft; false makes it the last. A draft
   * without probabilities does not call it. What lies outside 0 to 1 counts as the nearer of both, and NaN as 0.
   */
  readonly goesOn?: ((confidence: number) => boolean) | undefined
  /**
   * Where tokens are sampled: what a draft that samples chooses with. Accepted by equality it is what verification
   * chooses with, so that both meet the same noise and agree often; accepted by rejection it is the draft's own. A draft
   * that does not use it is as correct.
   */
  readonly sampler?: DraftSampler | undefined
  /** Memory of the round; it is released after verification. */
  readonly arena: Arena
  /** To be called between passes. */
  readonly turn: Turn
}

export interface DraftSampler {
  /**
   * The token that follows `history`, all tokens before it, drafted ones too, from `logits [vocabSize]`. Accepted by rejection,
   * the first draw at a position is what is tested there; what is proposed before it must not depend on it.
   */
  choose(logits: ArrayLike<number>, history: readonly number[]): number
}

export interface Proposal {
  /** Drafted tokens: ids of the vocabulary, or `i32 [1]` tensors of such that nobody has read yet. */
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
 * sublayer `to`, with the cache entries of the sublayers below it. They are trusted: verification goes on from them, so that rows
 * which are not what the model itself would compute change the text, and what comes after it in the sequence. Only shapes
 * and counts are checked. A draft that is not sure of them leaves the prefix out, which costs time only.
 */
export interface Prefix {
  /** 0 to the number of the model's sublayers. */
  readonly to: number
  /** `f32 [at least rows, hiddenSize]`. */
  readonly hidden: Tensor
  /** 0 to one more than tokens were drafted. */
  readonly rows: number
}
