// Where a generation ends. The rules look at committed tokens one by one, so that a speculative generation ends at exactly
// the token where a plain one does.

import type { FinishReason } from './events.ts'

export interface StopRules {
  readonly eosTokenIds: readonly number[]
  readonly maxNewTokens: number
  /** New tokens that the context has room for. */
  readonly room: number
}

/** Why the text ends with its `count`-th new token, which is `token`; undefined when it goes on. */
export function stopsAt(
  { eosTokenIds, maxNewTokens, room }: StopRules,
  token: number,
  count: number,
): FinishReason | undefined {
  if (eosTokenIds.includes(token)) return 'eos'
  if (count >= maxNewTokens) return 'length'
  if (count >= room) return 'context'
  return undefined
}

/** Text as it may be shown, while any of the stop strings might still be completing. */
export interface StopStrings {
  /** Takes the next piece of text; gives what can be shown, and whether a stop string has ended the text. */
  push(piece: string): { readonly text: string; readonly stopped: boolean }
  /** What was held back, when the text ends for another reason. */
  flush(): string
}

/** Holds back the end of the text as long as a stop string may begin there. */
export function watchStopStrings(stops: readonly string[]): StopStrings {
  const longest = Math.max(0, ...stops.map((stop) => stop.length))
  let held = ''
  return {
    push(piece) {
      held += piece
      const ends = stops.map((stop) => held.indexOf(stop)).filter((index) => index !== -1)
      if (ends.length > 0) {
        const text = held.slice(0, Math.min(...ends))
        held = ''
        return { text, stopped: true }
      }
      const safe = held.length - heldBack(held, stops, longest)
      const text = held.slice(0, safe)
      held = held.slice(safe)
      return { text, stopped: false }
    },
    flush() {
      const text = held
      held = ''
      return text
    },
  }
}

/** The length of the longest end of `text` that is a beginning of a stop string. */
function heldBack(text: string, stops: readonly string[], longest: number): number {
  for (let size = Math.min(text.length, longest - 1); size > 0; size--) {
    const end = text.slice(-size)
    if (stops.some((stop) => stop.startsWith(end))) return size
  }
  return 0
}
