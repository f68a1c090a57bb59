// What a generation reports while it runs, and in the end.

import type { GenerationStats } from './stats.ts'

/** `eos`: the model ended the text; `length`: `maxNewTokens`; `context`: the model's context is full. */
export type FinishReason = 'eos' | 'length' | 'context' | 'stop' | 'aborted'

export type GenerationEvent =
  /** A round drafted these tokens. */
  | { readonly type: 'draft'; readonly tokens: readonly number[] }
  /** The model confirmed the first of them. */
  | { readonly type: 'accept'; readonly tokens: readonly number[] }
  /** It chose `instead` where the draft had `token`; the drafts after it are void. */
  | { readonly type: 'reject'; readonly token: number; readonly instead: number }
  /**
   * A token of the output. `text` is what can be printed now: it may be empty while a character is incomplete, and then
   * comes with a later token. `source` says whether it was drafted or came from the model.
   */
  | {
      readonly type: 'token'
      readonly id: number
      readonly text: string
      readonly index: number
      readonly source: 'draft' | 'model'
    }
  | { readonly type: 'done'; readonly result: GenerationResult }

export interface GenerationResult {
  /** The new tokens, with the end-of-sequence token where that ended them. */
  readonly tokens: readonly number[]
  /**
   * What they add to the prompt's text, without special tokens and without the stop string that ended it: the texts of
   * the events, joined. Empty for a model without a tokenizer.
   */
  readonly text: string
  readonly finishReason: FinishReason
  readonly stats: GenerationStats
}
