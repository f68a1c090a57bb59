// The options of `generate`, their defaults, and their checks, all made before anything runs.

import { ArgumentError } from '../engine/errors.ts'
import { expectOptions } from '../engine/options.ts'
import type { Sequence } from '../model/cache.ts'
import type { LlamaConfig } from '../model/config.ts'
import { checkedTokens, type Model } from '../model/load-model.ts'
import { planSkip, type SkipSet } from '../model/skip.ts'
import type { Draft } from './draft/draft.ts'
import { skipLayers } from './draft/skip-layers.ts'
import type { DraftLength } from './draft-length/draft-length.ts'
import { fixedLength } from './draft-length/fixed.ts'
import { threshold } from './draft-length/threshold.ts'
import { createSampler, isGreedy, planSampling, type Sampler, type SamplingOptions } from './sampler.ts'

export interface GenerateOptions extends SamplingOptions {
  /** Default 200; `Infinity` for as many as the context holds. */
  readonly maxNewTokens?: number | undefined
  /** `'none'` is plain decoding. Default: `'skip'` where the model has a skip set or `skip` gives one, else `'none'`. */
  readonly draft?: 'none' | 'skip' | Draft | undefined
  /** A number of tokens, `'threshold'` (as long as the draft is sure of itself), or a policy. Default `'threshold'`. */
  readonly draftLength?: number | 'threshold' | DraftLength | undefined
  /** The sublayers that `'skip'` leaves out. Default: the model's own set. */
  readonly skip?: SkipSet | undefined
  /** How drafts are accepted: by equality with what the model chooses. */
  readonly accept?: 'equality' | undefined
  /**
   * What sampling draws by: with the same seed the same tokens, whatever the draft, its length and the number of threads. Of
   * no effect at temperature 0. Default: any; the statistics have it.
   */
  readonly seed?: number | undefined
  /** Strings that end the text; it is returned without them. They need a tokenizer. */
  readonly stop?: readonly string[] | undefined
  /** `true` goes on after the end-of-sequence token. */
  readonly ignoreEos?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /**
   * A sequence whose cache is used, and left at this generation's end: rows of tokens that it shares with the prompt are
   * not run again. Default: one of its own, disposed in the end.
   */
  readonly sequence?: Sequence | undefined
}

/** Everything decided. */
export interface GenerationPlan {
  readonly ids: readonly number[]
  readonly maxNewTokens: number
  readonly eosTokenIds: readonly number[]
  readonly stop: readonly string[]
  readonly draft: Draft | undefined
  readonly draftLength: DraftLength
  readonly skip: SkipSet | undefined
  /** `undefined` where the most likely tokens are wanted. */
  readonly sampler: Sampler | undefined
  /** Where it is of effect. */
  readonly seed: number | undefined
  readonly signal: AbortSignal | undefined
  readonly sequence: Sequence | undefined
}

/** Throws {@link ArgumentError} for what cannot be done. */
export function planGeneration(
  model: Model,
  prompt: string | readonly number[],
  options: GenerateOptions,
): GenerationPlan {
  expectOptions('generate', options)
  const { maxNewTokens = 200, draftLength = 'threshold', stop = [], ignoreEos = false, accept = 'equality' } = options
  if (!(maxNewTokens === Number.POSITIVE_INFINITY || (Number.isSafeInteger(maxNewTokens) && maxNewTokens >= 1))) {
    throw new ArgumentError(`maxNewTokens is ${maxNewTokens}, expected a whole number from 1, or Infinity`)
  }
  if (accept !== 'equality') throw new ArgumentError(`accept is "${String(accept)}", expected "equality"`)
  if (!Array.isArray(stop) || stop.some((text) => typeof text !== 'string' || text === '')) {
    throw new ArgumentError('stop is a list of strings, none of them empty')
  }
  if (stop.length > 0 && !model.hasTokenizer)
    throw new ArgumentError(`${model.name} has no tokenizer to find stop strings with`)
  if (options.sequence && !model.owns(options.sequence)) {
    throw new ArgumentError(`the sequence is not one of ${model.name}'s; use model.createSequence()`)
  }
  const ids = checkedTokens(typeof prompt === 'string' ? model.tokenizer.encode(prompt) : prompt, model.config)
  return {
    ids,
    maxNewTokens,
    eosTokenIds: ignoreEos ? [] : model.config.eosTokenIds,
    stop,
    ...planDraft(model, options),
    draftLength: planDraftLength(draftLength),
    ...planSampler(options, model.config),
    signal: options.signal,
    sequence: options.sequence,
  }
}

function planDraft(model: Model, options: GenerateOptions): { draft: Draft | undefined; skip: SkipSet | undefined } {
  const wantsKept = options.skip === undefined && (options.draft === undefined || options.draft === 'skip')
  const skip = wantsKept ? model.skip : options.skip
  if (skip !== undefined) planSkip(skip, model.config.numHiddenLayers)
  const { draft = skip ? 'skip' : 'none' } = options
  if (typeof draft === 'object' && draft && ('start' in draft || 'parts' in draft)) return { draft, skip: undefined }
  switch (draft) {
    case 'none':
      return { draft: undefined, skip: undefined }
    case 'skip':
      if (skip) return { draft: skipLayers(skip), skip }
      throw new ArgumentError(
        `no skip set of ${model.name} was found, neither in the cache folder nor beside its weights: give one with the option "skip" (--skip-attention and --skip-mlp, or --skip FILE); where this version has the command, "drafthorse search --model ${model.name}" finds one`,
      )
    default:
      throw new ArgumentError(`draft is "${String(draft)}", expected "none", "skip" or a Draft`)
  }
}

function planSampler(
  options: GenerateOptions,
  { vocabSize }: LlamaConfig,
): { sampler: Sampler | undefined; seed: number | undefined } {
  const { seed = Math.floor(Math.random() * 2 ** 32) } = options
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ArgumentError(`the seed is ${seed}, expected a whole number from 0 to 2^53 - 1`)
  }
  const sampling = planSampling(options, vocabSize)
  return {
    sampler: isGreedy(sampling) ? undefined : createSampler(sampling, { vocabSize, seed }),
    seed: sampling.temperature === 0 ? undefined : seed,
  }
}

function planDraftLength(draftLength: number | 'threshold' | DraftLength): DraftLength {
  if (typeof draftLength === 'number') return fixedLength(draftLength)
  if (draftLength === 'threshold') return threshold()
  if (typeof draftLength?.start === 'function') return draftLength
  throw new ArgumentError(
    `draftLength is "${String(draftLength)}", expected a number of tokens, "threshold" or a policy`,
  )
}
