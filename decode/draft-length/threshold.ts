// Drafts for as long as the draft is sure of itself (Zhang et al. 2024, section 3.3, with a threshold that stays).

import { ArgumentError } from '../../engine/errors.ts'
import { expectOptions } from '../../engine/options.ts'
import type { DraftLength } from './draft-length.ts'
import { guessLength } from './guess-length.ts'

export interface ThresholdOptions {
  /** The probability below which a drafted token is the last of its round, 0 to 1. Default 0.5. */
  readonly confidence?: number | undefined
  /** Tokens of a round at most. Default 8. */
  readonly most?: number | undefined
}

/**
 * Drafts up to `most` tokens a round, and none after one of little confidence; of a guess as many as {@link guessLength}
 * has it. Throws {@link ArgumentError}.
 */
export function threshold(options: ThresholdOptions = {}): DraftLength {
  expectOptions('threshold', options)
  const { confidence = 0.5, most = 8 } = options
  if (!(confidence >= 0 && confidence <= 1)) {
    throw new ArgumentError(`the confidence to draft on is ${confidence}, expected a probability, 0 to 1`)
  }
  if (!Number.isSafeInteger(most) || most < 0) {
    throw new ArgumentError(`the most tokens to draft are ${most}, expected a whole number from 0`)
  }
  return {
    name: `threshold ${confidence}, at most ${most}`,
    start: () => ({
      next: (ask) => ({
        most: Math.min(most, guessLength(ask, confidence)),
        goesOn: (found) => found >= confidence,
      }),
    }),
  }
}
