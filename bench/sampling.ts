// What it takes to draw a token from a row of logits, by option: on rows of a fixed seed, in the shape of a language model's.

import { noiseAt } from '../decode/random.ts'
import { createSampler, createSamplingRoom, planSampling, type SamplingOptions } from '../decode/sampler.ts'
import { interleave, type Spread, spread } from '../decode/timing.ts'
import type { Turn } from '../engine/turn.ts'

/** The ways of sampling that are measured. */
export const sampledWays: Readonly<Record<string, SamplingOptions>> = {
  'temperature 0.8': { temperature: 0.8 },
  'temperature 1': { temperature: 1 },
  'top-k 40': { temperature: 0.8, topK: 40 },
  'top-p 0.95': { temperature: 0.8, topP: 0.95 },
  'top-k 50, top-p 0.9': { temperature: 0.8, topK: 50, topP: 0.9 },
  'min-p 0.05': { temperature: 0.8, minP: 0.05 },
  'repetition penalty 1.1': { temperature: 0.8, repetitionPenalty: 1.1 },
}

export interface SamplingBenchOptions {
  readonly vocabSize: number
  /** Rows drawn from by each way, each timed by itself. */
  readonly rows: number
  /** Tokens before the one that is drawn. Default 500. */
  readonly historyLength?: number
  readonly turn?: Turn
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Milliseconds. Default the machine's clock. */
  readonly clock?: (() => number) | undefined
}

/** One way of sampling. */
export interface SamplingBench {
  readonly name: string
  readonly options: SamplingOptions
  /** Milliseconds of one row. */
  readonly ms: Spread
}

/** Different rows that the ways take turns with, so that no branch is learned by heart. */
const differentRows = 16

/** Calls before those that count, after which the loops are compiled. */
const warmup = 50

/** Measures every way of sampling, interleaved. Throws AbortError as `turn` does. */
export async function benchSampling({
  vocabSize,
  rows,
  historyLength = 500,
  turn,
  onProgress,
  clock = () => performance.now(),
}: SamplingBenchOptions): Promise<SamplingBench[]> {
  const logits = Array.from({ length: differentRows }, (_, row) => modelLikeLogits(vocabSize, row))
  const room = createSamplingRoom(vocabSize)
  const history = Array.from({ length: historyLength }, (_, i) => (i * 7919) % vocabSize)
  let drawn = 0
  const sides = Object.entries(sampledWays).map(([name, options]) => {
    const sampler = createSampler(planSampling(options, vocabSize), { vocabSize, seed: 1, room })
    return {
      name,
      async run() {
        history[history.length - 1] = drawn % vocabSize
        const row = logits[drawn++ % differentRows]!
        const start = clock()
        sampler.choose(row, history)
        return clock() - start
      },
    }
  })
  const figures = await interleave(sides, {
    rounds: rows,
    warmup,
    ...(turn && { turn }),
    ...(onProgress && { onRun: onProgress }),
  })
  return Object.entries(sampledWays).map(([name, options]) => ({ name, options, ms: spread(figures.get(name)!) }))
}

/**
 * A row of logits `[vocabSize]`, the same for the same seed: normal with a standard deviation of 2.9, and of every 3,000 tokens
 * one raised, from little to 12. So lie SmolLM2-135M's: of 49,152 the first, tenth, hundredth, thousandth and ten thousandth
 * are about 15, 11, 8, 6 and 2 above their median.
 */
export function modelLikeLogits(vocabSize: number, seed: number): Float32Array {
  const { bits } = noiseAt(seed, 0, 0)
  const uniform = (i: number): number => (bits(i) + 0.5) / 2 ** 32
  const logits = Float32Array.from(
    { length: vocabSize },
    (_, id) => 2.9 * Math.sqrt(-2 * Math.log(uniform(2 * id))) * Math.cos(2 * Math.PI * uniform(2 * id + 1)),
  )
  const raised = Math.ceil(vocabSize / 3000)
  for (let i = 0; i < raised; i++) logits[bits(2 * vocabSize + i) % vocabSize]! += (12 * (i + 1)) / raised
  return logits
}
