// The rounds of real decoding at a fixed draft length, as they follow from what replay says of every place.

import type { RecordedText } from './recording.ts'

/** A round as decoding makes it. */
export interface ReplayedRound {
  /** New tokens before it. */
  readonly done: number
  readonly drafted: number
  /** Drafted tokens that stand. */
  readonly accepted: number
  /** Tokens that it adds: those accepted and the model's own next one, up to the end of the text. */
  readonly tokens: number
}

/**
 * The rounds in which a text is made with drafts of `draftLength` tokens, `accepted[done]` being what stands of the longest
 * draft after so many new tokens. A round begins where the one before it ended, so they are those of decoding, one by one.
 */
export function roundsOf(
  { ids, promptTokens, most }: Pick<RecordedText, 'ids' | 'promptTokens' | 'most'>,
  accepted: readonly number[],
  draftLength: number,
): ReplayedRound[] {
  const all = ids.length - promptTokens
  const rounds: ReplayedRound[] = []
  for (let done = 0; done < all; ) {
    // The last token is never drafted: the model's own comes with every round.
    const drafted = Math.min(draftLength, most - done - 1)
    const stands = Math.min(drafted, accepted[done]!)
    const tokens = Math.min(stands + 1, all - done)
    rounds.push({ done, drafted, accepted: stands, tokens })
    done += tokens
  }
  return rounds
}
