// Plain decoding as it is timed beside other engines. Free of Node, for it runs in a page too.

import { generate } from '../decode/generate.ts'
import type { Model } from '../model/load-model.ts'

/** What an engine made of a prompt. */
export interface Decoded {
  /** New ones; `undefined` for one that the engine does not tell. */
  readonly tokens: readonly (number | undefined)[]
  /** From the first new token to the last, so that the prompt does not count. */
  readonly tokensPerSecond: number
  /** Until the first new token: what reading the prompt takes. */
  readonly firstTokenMs: number
}

export interface DecodeOptions {
  readonly maxNewTokens: number
  /** Ends the text early, with the tokens that it has. */
  readonly signal?: AbortSignal | undefined
}

/** Greedy decoding without drafts. */
export async function decodePlainly(model: Model, ids: readonly number[], options: DecodeOptions): Promise<Decoded> {
  const start = performance.now()
  let first = 0
  let last = 0
  const stream = generate(model, ids, { ...options, draft: 'none', ignoreEos: true })
  for await (const event of stream) {
    if (event.type !== 'token') continue
    last = performance.now()
    if (event.index === 0) first = last
  }
  const { tokens } = await stream.result
  return { tokens, tokensPerSecond: ((tokens.length - 1) / (last - first)) * 1000, firstTokenMs: first - start }
}
