// How many tokens to draft before the model is asked.

import { ArgumentError } from '../../engine/errors.ts'

/** A policy; what one generation needs to remember lives in its session. */
export interface DraftLength {
  readonly name: string
  /** Called once when a generation starts. */
  start(): DraftLengthSession
}

export interface DraftLengthSession {
  /** Called before each round: the most tokens to draft; 0 makes the round a plain step. */
  next(): number
  /**
   * Called after each drafted token with the probability that the draft gave it; false makes it the last of its round.
   * Without this method a draft reads nothing between its tokens, so a policy that needs no confidence leaves it out.
   */
  goesOn?(confidence: number): boolean
}

/** What a policy says, checked: it may be the user's own. Throws {@link ArgumentError}. */
export function nextLength({ name }: DraftLength, session: DraftLengthSession): number {
  const length = session.next()
  if (Number.isSafeInteger(length) && length >= 0) return length
  throw new ArgumentError(`the draft length policy "${name}" said ${length}, expected a whole number from 0`)
}
