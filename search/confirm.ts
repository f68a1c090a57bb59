// Confirmed runs: skip sets that the model of the search thinks best, timed by generation beside plain decoding.

import { generate } from '../decode/generate.ts'
import type { GenerateOptions } from '../decode/options.ts'
import { interleave, pairedRatio, type Side, type Spread, spread } from '../decode/timing.ts'
import { createTurn } from '../engine/turn.ts'
import type { Model } from '../model/load-model.ts'
import type { SkipSet } from '../model/skip.ts'
import type { RecordedText, Recording } from './recording.ts'

/** What is to be confirmed. */
export interface Candidate {
  readonly skip: SkipSet
  /** What the model of the search expects: its best draft length, and the speed-up. At length 0 nothing is drafted. */
  readonly draftLength: number
  readonly speedup: number
}

/** Timed generation with one skip set and draft length. */
export interface Timed {
  /** Tokens per second of decoding, prefill apart. */
  readonly drafted: Spread
  /** Over plain decoding of the same text, pair by pair. */
  readonly speedup: Spread
  /** Whether every text was the recorded one, token for token. */
  readonly identical: boolean
}

export interface Confirmed {
  readonly candidate: Candidate
  /** Plain decoding beside it, tokens per second. */
  readonly plain: Spread
  /** At the draft length that is expected to be best. */
  readonly fixed: Timed
  /** With the policy that `generate` uses by default. */
  readonly costModel: Timed
  /** The expected speed-up over the median of those measured at that length, less 1: above 0 where too much was expected. */
  readonly error: number
}

export interface ConfirmOptions {
  /** Texts that plain decoding made: their prompts are decoded anew. */
  readonly recording: Recording
  readonly candidates: readonly Candidate[]
  /** How often each prompt is decoded in each way. Default 2. */
  readonly repeats?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Milliseconds; default the machine's clock. */
  readonly clock?: (() => number) | undefined
}

/** Tokens per second of each run, in the order of the rounds, and whether all were the recorded texts. */
interface Runs {
  readonly rates: readonly number[]
  readonly identical: boolean
}

/**
 * Decodes every prompt plainly and with each candidate, in turns, so that a machine which slows down slows all of them. To be
 * run alone. Throws `AbortError`.
 */
export async function confirm(model: Model, options: ConfirmOptions): Promise<Confirmed[]> {
  const { recording, candidates, repeats = 2, signal, onProgress, clock } = options
  const { texts } = recording
  const turn = createTurn(signal)
  const differs = new Set<string>()
  const side = (name: string, way: GenerateOptions): Side => ({
    name,
    async run(round) {
      const text = texts[round % texts.length]!
      const settings = { maxNewTokens: text.most, signal, clock, ...way }
      const { tokens, stats } = await generate(model, text.ids.slice(0, text.promptTokens), settings).result
      await turn() // an aborted text is a result too, but not one to count
      if (!isRecorded(text, tokens)) differs.add(name)
      return stats.tokensPerSecond ?? Number.NaN
    },
  })
  const ways = candidates.flatMap(({ skip, draftLength }, i) => [
    side(`fixed ${i}`, draftLength === 0 ? { draft: 'none' } : { draft: 'skip', skip, draftLength }),
    side(`cost-model ${i}`, { draft: 'skip', skip, draftLength: 'cost-model' }),
  ])
  const onRun = onProgress && { onRun: onProgress }
  const sides = [side('plain', { draft: 'none' }), ...ways]
  const figures = await interleave(sides, { rounds: texts.length * repeats, turn, ...onRun })
  const runs = (name: string): Runs => ({ rates: figures.get(name)!, identical: !differs.has(name) })
  const plain = runs('plain')
  return candidates.map((candidate, i) => {
    const fixed = timed(runs(`fixed ${i}`), plain)
    return {
      candidate,
      plain: spread(plain.rates),
      fixed,
      costModel: timed(runs(`cost-model ${i}`), plain),
      error: candidate.speedup / fixed.speedup.median - 1,
    }
  })
}

function timed({ rates, identical }: Runs, plain: Runs): Timed {
  return { drafted: spread(rates), speedup: pairedRatio(rates, plain.rates), identical: identical && plain.identical }
}

function isRecorded({ ids, promptTokens }: RecordedText, tokens: readonly number[]): boolean {
  return tokens.length === ids.length - promptTokens && tokens.every((id, i) => id === ids[promptTokens + i])
}
