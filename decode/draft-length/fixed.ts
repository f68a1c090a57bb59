// The same number of drafted tokens in every round.

import { ArgumentError } from '../../engine/errors.ts'
import type { DraftLength } from './draft-length.ts'

/**
 * Drafts `length` tokens a round. A guess that is more likely wrong than right is passed over where another draft can be asked
 * after it. Throws {@link ArgumentError} unless it is a whole number from 0.
 */
export function fixedLength(length: number): DraftLength {
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new ArgumentError(`the draft length is ${length}, expected a whole number from 0`)
  }
  return {
    name: `fixed ${length}`,
    start: ({ drafts }) => ({
      next: ({ draft, chance = 1 }) => ({ most: chance < 0.5 && draft !== drafts.at(-1) ? 0 : length }),
    }),
  }
}
