// From token ids to text that can be shown, with what may still change held back.

import type { Model } from '../model/load-model.ts'
import { watchStopStrings } from './stop.ts'

export interface TextOutput {
  /** What can be shown after the next token, and whether a stop string has ended the text. */
  push(id: number): { readonly text: string; readonly stopped: boolean }
  /** What was held back, when the text ends for another reason. */
  flush(): string
}

/** The text that follows the prompt `ids`, up to any of the stop strings; empty for a model without a tokenizer. */
export function textOutput(
  model: Model,
  { ids, stop }: { readonly ids: readonly number[]; readonly stop: readonly string[] },
): TextOutput {
  if (!model.hasTokenizer) return { push: () => ({ text: '', stopped: false }), flush: () => '' }
  const decoder = model.tokenizer.textStream({ after: ids })
  const stops = watchStopStrings(stop)
  return {
    push: (id) => stops.push(decoder.push(id)),
    flush: () => stops.push(decoder.flush()).text + stops.flush(),
  }
}
