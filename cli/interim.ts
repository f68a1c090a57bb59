// What the command line says and shows of decoding before `generate` takes and tells it: the types as they will be, and
// `generate` over those. Goes as soon as decode/ has them.

import type { FinishReason, GenerationEvent, GenerationResult } from '../decode/events.ts'
import { generate as plainly } from '../decode/generate.ts'
import type { GenerateOptions } from '../decode/options.ts'
import type { GenerationStats } from '../decode/stats.ts'
import type { GenerationStream } from '../decode/stream.ts'
import { ArgumentError } from '../engine/errors.ts'
import type { Model } from '../model/load-model.ts'
import type { DraftLengthOption } from './model-options.ts'

/** What one round did. */
export interface RoundTrace {
  /** From 0. */
  readonly round: number
  /** Index in the whole sequence of the first token that the round may commit. */
  readonly position: number
  /** The draft whose tokens were verified; undefined for a plain step. */
  readonly draft: string | undefined
  readonly kind: string | undefined
  /** What the policy allowed. */
  readonly limit: number
  readonly drafted: readonly number[]
  readonly accepted: number
  readonly confidences?: readonly number[]
  /** Those that the round committed. */
  readonly tokens: readonly number[]
  /** Of the pass of the full model. */
  readonly rows: number
  readonly draftPasses: number
  readonly milliseconds: {
    readonly round: number
    readonly draft: number
    readonly verify: number
    readonly sample: number
  }
}

export type ReportedStats = GenerationStats & {
  /** By the names of the drafts. */
  readonly drafts?: Readonly<Record<string, { rounds: number; drafted: number; accepted: number }>>
  /** Over plain decoding. */
  readonly speedup?: { readonly predicted?: number | undefined; readonly measured?: number | undefined }
}

export interface ReportedResult extends GenerationResult {
  readonly finishReason: FinishReason
  readonly stats: ReportedStats
}

export type DecodingOptions = Omit<GenerateOptions, 'draft' | 'draftLength' | 'accept'> & {
  readonly draft?: 'none' | 'skip' | 'lookup' | 'cascade' | 'auto' | undefined
  readonly draftLength?: DraftLengthOption | undefined
  readonly exitLayer?: number | undefined
  readonly accept?: 'equality' | 'rejection' | undefined
  readonly draftTemperature?: number | undefined
  readonly reusePrefix?: boolean | undefined
  readonly draftVocabulary?: { readonly size: number; readonly text?: string } | undefined
  readonly onRound?: ((round: RoundTrace) => void) | undefined
}

export function generate(model: Model, ids: readonly number[], options: DecodingOptions): GenerationStream {
  const { draft, draftLength, exitLayer, accept, draftTemperature, reusePrefix, draftVocabulary, onRound, ...rest } =
    options
  if (draft !== undefined && draft !== 'none' && draft !== 'skip') throw missing(`--draft ${draft}`)
  if (accept === 'rejection') throw missing('--accept rejection')
  if (draftTemperature !== undefined) throw missing('--draft-temperature')
  if (reusePrefix === false) throw missing('--no-prefix-reuse')
  if (draftVocabulary) throw missing('--draft-vocabulary')
  const stream = plainly(model, ids, {
    ...rest,
    skip: exitLayer === undefined ? rest.skip : exitAfter(exitLayer, model.config.numHiddenLayers),
    draft,
    draftLength: draftLength === undefined ? undefined : lengthForNow(draftLength),
    accept,
  })
  return onRound ? telling(stream, { at: ids.length, onRound }) : stream
}

export function lengthForNow(length: DraftLengthOption): number | 'threshold' {
  if (length === 'adaptive' || length === 'cost-model') throw missing(`the draft length "${length}"`)
  return length
}

function missing(option: string): ArgumentError {
  return new ArgumentError(`${option} is not in this version yet; leave it out`)
}

function exitAfter(exitLayer: number, layers: number): { attention: number[]; mlp: number[] } {
  const left = Array.from({ length: Math.max(0, layers - exitLayer) }, (_, i) => exitLayer + i)
  return { attention: left, mlp: left }
}

/** The stream, which tells its rounds as far as its events have them. */
function telling(
  stream: GenerationStream,
  { at, onRound }: { at: number; onRound: (round: RoundTrace) => void },
): GenerationStream {
  async function* events(): AsyncGenerator<GenerationEvent, void> {
    let [round, position, start] = [0, at, performance.now()]
    let drafted: readonly number[] = []
    let tokens: number[] = []
    let accepted = 0
    const tell = (): void => {
      if (tokens.length === 0) return
      const limit = drafted.length
      const ms = performance.now() - start
      const draft = limit > 0 ? 'skip' : undefined
      const milliseconds = { round: ms, draft: 0, verify: ms, sample: 0 }
      const cost = { rows: limit + 1, draftPasses: limit, milliseconds }
      onRound({ round: round++, position, draft, kind: undefined, limit, drafted, accepted, tokens, ...cost })
      position += tokens.length
      ;[drafted, tokens, accepted, start] = [[], [], 0, performance.now()]
    }
    for await (const event of stream) {
      if (event.type === 'draft') drafted = event.tokens
      if (event.type === 'accept') accepted = event.tokens.length
      if (event.type === 'token') tokens.push(event.id)
      if (event.type === 'done' || (event.type === 'token' && event.source === 'model')) tell()
      yield event
    }
  }
  let begun = false
  const begin = (): AsyncGenerator<GenerationEvent, void> => {
    begun = true
    return events()
  }
  return {
    [Symbol.asyncIterator]: begin,
    get result() {
      if (begun) return stream.result
      return (async () => {
        for await (const _ of begin());
        return stream.result
      })()
    },
  }
}
