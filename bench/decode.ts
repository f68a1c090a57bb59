// Plain decoding in figures: tokens, weights and products a second, and what a pass costs by its rows. What drafting makes of
// it is speculate.ts's.

import { generate } from '../decode/generate.ts'
import { type PassCost, passCosts } from '../decode/pass-cost.ts'
import { type Spread, spread } from '../decode/timing.ts'
import { elementCount } from '../engine/dtype.ts'
import { createTurn, type Turn } from '../engine/turn.ts'
import type { LlamaConfig } from '../model/config.ts'
import type { Model } from '../model/load-model.ts'
import { tensorShapes } from '../model/weights.ts'

export interface DecodeBenchOptions {
  readonly prompts: readonly string[]
  readonly maxNewTokens: number
  /** Rows of a pass for which T(m) is measured; the first is 1. */
  readonly rows: readonly number[]
  /** Tokens of the prompt with which prefill is measured. */
  readonly promptTokens: number
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

export interface DecodeBench {
  readonly prompts: number
  readonly maxNewTokens: number
  readonly tokens: number
  readonly tokensPerSecond: Spread
  /** Gigabytes of weights that it reads in a second. */
  readonly gigabytesPerSecond: number
  /** `productsPerSecond`, in thousand millions, are those of the layers' matrices. */
  readonly prefill: { readonly tokens: number; readonly tokensPerSecond: Spread; readonly productsPerSecond: number }
  readonly passCosts: readonly PassCost[]
  /** Of a pass of one row, the products with its matrices alone. */
  readonly products: PassCost
}

/** Decodes every prompt, the first once before to warm up, and measures passes by rows. */
export async function benchDecode(model: Model, options: DecodeBenchOptions): Promise<DecodeBench> {
  const { prompts, maxNewTokens, rows, promptTokens, signal, onProgress } = options
  const turn = createTurn(signal)
  const rates: number[] = []
  let tokens = 0
  for (const [i, prompt] of [prompts[0]!, ...prompts].entries()) {
    const settings = { draft: 'none', maxNewTokens, ignoreEos: true, signal } as const
    const { stats } = await generate(model, prompt, settings).result
    await turn() // an aborted text is a result too, but not one to count
    onProgress?.(i + 1, prompts.length + 1)
    if (i === 0) continue
    rates.push(stats.tokensPerSecond ?? Number.NaN)
    tokens += stats.newTokens
  }
  const costs = await passCosts(model, {
    passes: [...rows.map((count) => ({ rows: count })), { rows: 1, only: 'products' }],
    context: 64,
    repeats: 9,
    turn,
  })
  const tokensPerSecond = spread(rates)
  return {
    prompts: prompts.length,
    maxNewTokens,
    tokens,
    tokensPerSecond,
    gigabytesPerSecond: (tokensPerSecond.median * model.summary.passBytes) / 1e9,
    prefill: await benchPrefill(model, { promptTokens, turn, signal }),
    passCosts: costs.slice(0, -1),
    products: costs.at(-1)!,
  }
}

/** Reads a prompt of so many tokens, or as many as the context holds, several times over. */
async function benchPrefill(
  model: Model,
  { promptTokens, turn, signal }: { promptTokens: number; turn: Turn; signal: AbortSignal | undefined },
): Promise<DecodeBench['prefill']> {
  const { vocabSize, maxPositionEmbeddings } = model.config
  const tokens = Math.min(promptTokens, maxPositionEmbeddings - 2)
  const prompt = Array.from({ length: tokens + 1 }, (_, i) => (i * 37 + 11) % vocabSize)
  const rates: number[] = []
  for (let round = -1; round < 3; round++) {
    await turn()
    const options = { draft: 'none', maxNewTokens: 1, ignoreEos: true, signal } as const
    const { stats } = await generate(model, prompt, options).result
    await turn()
    if (round >= 0) rates.push((tokens / stats.milliseconds.prefill) * 1000)
  }
  const tokensPerSecond = spread(rates)
  return { tokens, tokensPerSecond, productsPerSecond: (tokensPerSecond.median * productsPerToken(model.config)) / 1e9 }
}

/** Elements of all matrices but the embedding and the head, which a prompt hardly needs. */
function productsPerToken(config: LlamaConfig): number {
  return [...tensorShapes(config)]
    .filter(([name, shape]) => shape.length === 2 && name.startsWith('model.layers.'))
    .reduce((sum, [, shape]) => sum + elementCount(shape), 0)
}
