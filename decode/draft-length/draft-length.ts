// How many tokens to draft before the model is asked: what a policy is told, and what it answers.

import { ArgumentError } from '../../engine/errors.ts'
import type { DraftCosts } from '../../model/draft-costs.ts'

/** A policy; what one generation needs to remember lives in its session. */
export interface DraftLength {
  readonly name: string
  /** Called once when a generation, or a batch of them, starts. */
  start(about: DraftLengthStart): DraftLengthSession
}

export interface DraftLengthStart {
  /** Names of the drafts that can be asked in a round, in the order in which they are asked until one has something. */
  readonly drafts: readonly string[]
  /** What passes cost, and how far drafts hold, as it was measured for this model, backend, type and threads; for `'skip'`. */
  readonly prior?: DraftCosts | undefined
  /** Whether reading a result costs next to nothing, so that confidence may be looked at after each token. */
  readonly freeReads: boolean
}

export interface DraftLengthSession {
  /**
   * Called before a round for one draft after the other, and for each sequence of a batch, until a draft has proposed
   * something; where all answer 0 the round is a plain step.
   */
  next(ask: DraftAsk): DraftLimit
  /** Called after each round with what it cost and brought. */
  observe?(round: RoundReport): void
  /** Called with what became of a guess that was made for nothing and not verified: what it would have brought. */
  observeGuess?(guess: LaneReport): void
  /**
   * Called before a plain step for a draft that is an early exit: whether that step may show as well, for the price of one row
   * more in the head, what the draft would have proposed; `observeGuess` is then told of that one token.
   */
  wantsExit?(draft: string): boolean
  /**
   * The speed-up over plain decoding that it expected of the rounds so far, each before it was made, for the statistics;
   * undefined while it does not know.
   */
  predictedSpeedup?(): number | undefined
}

export interface DraftAsk {
  /** The draft's name. */
  readonly draft: string
  /** What sort of guess is at hand, where the draft makes them for nothing; it is to be judged with those of its sort. */
  readonly kind?: string | undefined
  /** How many tokens it guesses, and how likely the first of such a guess holds as far as the draft knows. */
  readonly guessed?: number | undefined
  readonly chance?: number | undefined
  /** Sequences that share the passes of this round. */
  readonly lanes: number
}

export interface DraftLimit {
  /** The most tokens to draft; 0: none. */
  readonly most: number
  /**
   * Called for each drafted token in turn with the probability that the draft gave it; false makes it the last of its round.
   * Where reads cost it hears of a few tokens at once, and those after the last are thrown away. Without this a draft reads nothing between its tokens, so a policy that needs no confidence leaves it out.
   */
  readonly goesOn?: ((confidence: number) => boolean) | undefined
}

/** What one round did for one sequence. */
export interface LaneReport {
  /** The draft whose tokens were verified; undefined for a plain step. */
  readonly draft: string | undefined
  readonly kind?: string | undefined
  /** What the policy allowed. */
  readonly limit: number
  readonly drafted: number
  readonly accepted: number
  /** Of the drafted tokens, where they were asked for. */
  readonly confidences?: readonly number[] | undefined
}

/** What one round did, and what it cost: milliseconds, apart from what the consumer of the stream took. */
export interface RoundReport {
  readonly lanes: readonly LaneReport[]
  /** The round as a whole. */
  readonly ms: number
  /** Passes that drafted, and their time; where results are not read in between it falls to verification. */
  readonly draftPasses: number
  readonly draftMs: number
  /** Whether the round was a plain step that showed an early exit, and so took longer than one. */
  readonly showedExit?: boolean
  /** Rows of the one pass of the full model. */
  readonly rows: number
  readonly verifyMs: number
}

/** What a policy says, checked: it may be the user's own. Throws {@link ArgumentError}. */
export function nextLimit({ name }: DraftLength, session: DraftLengthSession, ask: DraftAsk): DraftLimit {
  const limit = session.next(ask)
  if (Number.isSafeInteger(limit?.most) && limit.most >= 0) return limit
  throw new ArgumentError(
    `the draft length policy "${name}" said ${limit?.most}, expected { most: a whole number from 0 }`,
  )
}
