// How many tokens to draft before the model is asked.

/** A policy; what one generation needs to remember lives in its session. */
export interface DraftLength {
  readonly name: string
  /** Called once when a generation starts. */
  start(): DraftLengthSession
}

export interface DraftLengthSession {
  /** Called before each round: the most tokens to draft; 0 makes the round a plain step. */
  next(): number
}
