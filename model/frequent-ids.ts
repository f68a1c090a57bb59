// The part of a vocabulary that a draft head may know: the tokens that a text uses most.

import { ArgumentError } from '../engine/errors.ts'

/**
 * The `size` ids that occur most often in an encoded text, of two as frequent the lower; where the text has fewer, the lowest
 * others. Ascending. Throws {@link ArgumentError} for a size that is no whole number from 1 to `vocabSize`, and for an id
 * outside the vocabulary.
 */
export function mostFrequentIds(
  text: readonly number[],
  { size, vocabSize }: { size: number; vocabSize: number },
): number[] {
  if (!Number.isSafeInteger(size) || size < 1 || size > vocabSize) {
    throw new ArgumentError(`a draft vocabulary has 1 to ${vocabSize} tokens of this model's, not ${size}`)
  }
  const counts = new Float64Array(vocabSize)
  for (const [i, id] of text.entries()) {
    if (!Number.isSafeInteger(id) || id < 0 || id >= vocabSize) {
      throw new ArgumentError(`token ${i} of the text is ${id}; the vocabulary has ids 0 to ${vocabSize - 1}`)
    }
    counts[id]!++
  }
  // Sorting keeps the order of equals, so ids that do not occur come last, the lowest first.
  const byCount = Array.from(counts.keys()).sort((a, b) => counts[b]! - counts[a]!)
  return byCount.slice(0, size).sort((a, b) => a - b)
}
