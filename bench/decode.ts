// Plain against self-speculative decoding: the same prompts, in turns, with the identity of the tokens checked each time.

import type { GenerationResult } from '../decode/events.ts'
import { generate } from '../decode/generate.ts'
import { interleave, pairedRatio, type Side, type Spread, spread } from '../decode/timing.ts'
import { elementCount } from '../engine/dtype.ts'
import { createTurn, type Turn } from '../engine/turn.ts'
import type { LlamaConfig } from '../model/config.ts'
import type { Model } from '../model/load-model.ts'
import { tensorShapes } from '../model/weights.ts'
import { type PassCost, passCosts } from './pass-cost.ts'

type DraftLengthName = 'threshold' | 'adaptive' | 'cost-model'

export interface DecodeBenchOptions {
  readonly prompts: readonly string[]
  readonly maxNewTokens: number
  /** Draft lengths to compare with plain decoding. */
  readonly draftLengths: readonly (number | DraftLengthName)[]
  /** Rows of a pass for which T(m) is measured; the first is 1. */
  readonly rows: readonly number[]
  /** Tokens of the prompt with which prefill is measured. */
  readonly promptTokens: number
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

/** One way of decoding. */
export interface DecodeRow {
  /** 0: plain. */
  readonly draftLength: number | DraftLengthName
  readonly tokensPerSecond: Spread
  /** Over plain decoding, prompt by prompt. */
  readonly speedup: Spread
  readonly acceptanceRate: number | undefined
  /** Tokens drafted in a round, on average. */
  readonly draftedPerRound: number
  readonly tokensPerPass: number
  /** Prompts whose tokens are those of plain decoding; identity holds when it is all of them. */
  readonly identical: number
}

export interface DecodeBench {
  readonly prompts: number
  readonly maxNewTokens: number
  readonly tokens: number
  readonly rows: readonly DecodeRow[]
  /** Gigabytes of weights that plain decoding reads in a second. */
  readonly gigabytesPerSecond: number
  /** `productsPerSecond`, in thousand millions, are those of the layers' matrices. */
  readonly prefill: { readonly tokens: number; readonly tokensPerSecond: Spread; readonly productsPerSecond: number }
  readonly passCosts: readonly PassCost[]
  /** Of a pass of one row, the products with its matrices alone. */
  readonly products: PassCost
}

/** Decodes every prompt plainly and with each draft length, interleaved, and measures passes by rows. */
export async function benchDecode(model: Model, options: DecodeBenchOptions): Promise<DecodeBench> {
  const { prompts, maxNewTokens, draftLengths, rows, promptTokens, signal, onProgress } = options
  const turn = createTurn(signal)
  const results = new Map<string, GenerationResult[]>()
  const side = (draftLength: number | DraftLengthName): Side => ({
    name: `${draftLength}`,
    async run(prompt) {
      const settings = draftLength === 0 ? { draft: 'none' as const } : { draft: 'skip' as const, draftLength }
      const stream = generate(model, prompts[prompt]!, { ...settings, maxNewTokens, ignoreEos: true, signal })
      const result = await stream.result
      await turn() // an aborted text is a result too, but not one to count
      const list = results.get(`${draftLength}`) ?? []
      list[prompt] = result
      results.set(`${draftLength}`, list)
      return result.stats.tokensPerSecond ?? Number.NaN
    },
  })
  const lengths = [0, ...draftLengths] as const
  const figures = await interleave(lengths.map(side), {
    rounds: prompts.length,
    turn,
    ...(onProgress && { onRun: onProgress }),
  })
  const costs = await passCosts(model, {
    passes: [...rows.map((count) => ({ rows: count })), { rows: 1, only: 'products' }],
    context: 64,
    repeats: 9,
    turn,
  })
  const plain = results.get('0')!
  const plainRate = spread(figures.get('0')!)
  return {
    prompts: prompts.length,
    maxNewTokens,
    tokens: plain.reduce((sum, { tokens }) => sum + tokens.length, 0),
    rows: lengths.map((draftLength) => {
      const mine = results.get(`${draftLength}`)!
      return {
        draftLength,
        tokensPerSecond: spread(figures.get(`${draftLength}`)!),
        speedup: pairedRatio(figures.get(`${draftLength}`)!, figures.get('0')!),
        acceptanceRate: rate(mine),
        draftedPerRound: total(mine, 'draftedTokens') / total(mine, 'rounds'),
        tokensPerPass: total(mine, 'newTokens') / total(mine, 'rounds'),
        identical: mine.filter(({ tokens }, i) => equal(tokens, plain[i]!.tokens)).length,
      }
    }),
    gigabytesPerSecond: (plainRate.median * model.summary.passBytes) / 1e9,
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

function total(
  results: readonly GenerationResult[],
  figure: 'newTokens' | 'rounds' | 'draftedTokens' | 'acceptedTokens',
) {
  return results.reduce((sum, { stats }) => sum + stats[figure], 0)
}

function rate(results: readonly GenerationResult[]): number | undefined {
  const drafted = total(results, 'draftedTokens')
  return drafted > 0 ? total(results, 'acceptedTokens') / drafted : undefined
}

function equal(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((token, i) => token === b[i])
}
