// The same number of drafted tokens in every round.

import { ArgumentError } from '../../engine/errors.ts'
import type { DraftLength } from './draft-length.ts'

/** Drafts `length` tokens a round. Throws {@link ArgumentError} unless it is a whole number from 0. */
export function fixedLength(length: number): DraftLength {
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new ArgumentError(`the draft length is ${length}, expected a whole number from 0`)
  }
  return { name: `fixed ${length}`, start: () => ({ next: () => ({ most: length }) }) }
}
