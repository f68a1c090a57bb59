// What guesses that nobody verified would have brought: each is held against the tokens that then came.

import type { LaneReport } from '../draft-length/draft-length.ts'

/** Tokens that a draft guessed to come next. */
export interface UnverifiedGuess {
  readonly draft: string
  readonly kind?: string | undefined
  readonly tokens: readonly number[]
}

export interface GuessScores {
  /** Called before a round with a guess of what it commits first, which the round does not verify. None is no guess. */
  expect(guess: UnverifiedGuess): void
  /** Called with what a round committed, in order. Returns the guesses whose every token could have come by now. */
  commit(tokens: readonly number[]): readonly LaneReport[]
  /** Called when the text has ended: returns the guesses that it cut off, as far as they go. */
  finish(): readonly LaneReport[]
}

/**
 * Scores guesses without bias. A guess is not reported as soon as it fails, since those that hold would be reported later
 * and a policy would think too little of the draft meanwhile, but when as many tokens as it guessed have come, right or wrong.
 * For the same reason the end of the text does not drop guesses: there `drafted` counts the tokens that came, and what lay
 * behind them stays unknown. `limit` is the number of tokens guessed. As every round commits a token, the guesses that wait
 * are never more than the tokens of the longest, for each draft.
 */
export function guessScores(): GuessScores {
  interface Waiting extends UnverifiedGuess {
    /** Tokens that came since. */
    came: number
    accepted: number
  }
  let waiting: Waiting[] = []

  const report = ({ draft, kind, tokens, came, accepted }: Waiting): LaneReport => {
    return { draft, kind, limit: tokens.length, drafted: came, accepted }
  }

  function compare(guess: Waiting, tokens: readonly number[]): void {
    for (const token of tokens) {
      if (guess.came === guess.tokens.length) return
      if (guess.accepted === guess.came && guess.tokens[guess.came] === token) guess.accepted++
      guess.came++
    }
  }

  return {
    expect(guess) {
      if (guess.tokens.length > 0) waiting.push({ ...guess, came: 0, accepted: 0 })
    },
    commit(tokens) {
      for (const guess of waiting) compare(guess, tokens)
      const isDue = ({ came, tokens }: Waiting): boolean => came === tokens.length
      const due = waiting.filter(isDue)
      if (due.length > 0) waiting = waiting.filter((guess) => !isDue(guess))
      return due.map(report)
    },
    finish() {
      const cut = waiting.filter(({ came }) => came > 0)
      waiting = []
      return cut.map(report)
    },
  }
}
