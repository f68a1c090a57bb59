// How much of a guess a policy of confidence takes: a guess has one chance for its first token, and no more to look at.

import type { DraftAsk } from './draft-length.ts'

/**
 * The tokens of a guess that stand together with a probability of at least `confidence`, were each as likely as the first;
 * no limit for a draft that runs the model, or one that does not say how likely its guesses are.
 */
export function guessLength({ guessed, chance }: DraftAsk, confidence: number): number {
  if (guessed === undefined || chance === undefined || confidence <= 0 || chance >= 1) return Number.POSITIVE_INFINITY
  if (chance < confidence) return 0
  return Math.max(1, Math.floor(Math.log(confidence) / Math.log(chance)))
}
