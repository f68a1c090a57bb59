// Drafts by looking back: what followed where the last tokens stood before, in the prompt or in the text so far (Saxena
// 2023, prompt lookup decoding; Yang et al. 2023, inference with reference). It pays where a text repeats another.

import { ArgumentError } from '../../engine/errors.ts'
import { expectOptions } from '../../engine/options.ts'
import type { GuessSession, SingleDraft } from './draft.ts'
import { type Meeting, suffixIndex } from './suffix-index.ts'

export interface PromptLookupOptions {
  /** The most last tokens to look for, 1 to 64; what is found with more of them counts first. Default 4. */
  readonly longest?: number | undefined
  /** The fewest, 1 to `longest`. Default 1. */
  readonly shortest?: number | undefined
}

/** The most tokens that an index may look at: it holds as many entries for each token of the text. */
const mostTokens = 64

/** Matches of more tokens hold no better than those of as many. */
const longestKind = 4

/**
 * Drafts, for nothing, what followed the last tokens where they stood before: as many of them as were met, up to
 * `longest`, and of several places the latest. What reaches the end of the text goes on with itself, so that a text that
 * repeats itself is guessed at any length. The `kind` of a guess says how far to trust it:
 * - `'match 1'`, `'match 2'`, `'match 3'`, `'match 4+'`: so many tokens were met, once;
 * - `'agrees'`: they were met several times, and always followed by the same token;
 * - `'differs'`: they were met several times, and not always followed by the same.
 *
 * A token costs some microseconds, and some 200 bytes of memory. Throws {@link ArgumentError}.
 */
export function promptLookup(options: PromptLookupOptions = {}): SingleDraft {
  expectOptions('promptLookup', options)
  const { longest = 4, shortest = 1 } = options
  if (!Number.isSafeInteger(longest) || longest < 1 || longest > mostTokens) {
    throw new ArgumentError(`the longest match is ${longest} tokens, expected a whole number from 1 to ${mostTokens}`)
  }
  if (!Number.isSafeInteger(shortest) || shortest < 1 || shortest > longest) {
    throw new ArgumentError(`the shortest match is ${shortest} tokens, expected a whole number from 1 to ${longest}`)
  }
  return {
    name: 'lookup',
    start(): GuessSession {
      const index = suffixIndex(longest)
      return {
        guess(history, limit) {
          const found = index.find(history)
          if (!found || found.length < shortest) return { tokens: [] }
          const period = history.length - found.next
          const tokens = Array.from({ length: limit }, (_, i) => history[found.next + (i % period)]!)
          return { tokens, ...sortOf(found, longest) }
        },
      }
    },
  }
}

/** What sort of guess it is, and how often the first token of such held in 24 summaries of news by SmolLM2-135M-Instruct. */
function sortOf({ length, times, agreeing }: Meeting, longest: number): { kind: string; chance: number } {
  if (times > 1) return agreeing === times ? { kind: 'agrees', chance: 0.84 } : { kind: 'differs', chance: 0.15 }
  const most = Math.min(longest, longestKind)
  const matched = Math.min(length, most)
  const chance = [0.32, 0.45, 0.6, 0.8][matched - 1]!
  return { kind: length < most ? `match ${length}` : `match ${most}+`, chance }
}
