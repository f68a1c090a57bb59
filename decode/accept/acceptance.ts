// How a round's drafted tokens are accepted: what drafts choose with, and which tokens the round keeps.

import type { DraftSampler } from '../draft/draft.ts'

/** A way of accepting, for one sequence of one generation: it may remember what was drafted in the round at hand. */
export interface Acceptance {
  readonly name: 'equality' | 'rejection'
  /** What drafts choose with; undefined where they take the most likely token. */
  readonly drafting: DraftSampler | undefined
  /**
   * The tokens that a round keeps: the accepted drafts, and then one of the model's own. Called once a round, in plain steps
   * too, where nothing was drafted. All that it returns is to be committed, but for what is past the end of the text.
   */
  accept(round: VerifiedRound): number[]
  /** What choosing took so far, drafts included. */
  readonly milliseconds: number
}

export interface VerifiedRound {
  readonly drafted: readonly number[]
  /** All tokens before the first drafted one. */
  readonly history: readonly number[]
  /**
   * The full model's logits `[vocabSize]` at the place of a drafted token, or after the last. Asked in order and not past the
   * first draft that falls, so it may throw for a row that plain decoding would never see.
   */
  logits(at: number): ArrayLike<number>
}
