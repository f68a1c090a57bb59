// The options of `generate`, their defaults, and their checks, all made before anything runs.

import { ArgumentError } from '../engine/errors.ts'
import { expectOptions } from '../engine/options.ts'
import type { Sequence } from '../model/cache.ts'
import { checkedTokens, type Model } from '../model/load-model.ts'
import type { Acceptance } from './accept/acceptance.ts'
import { planAcceptance, shareRoom } from './accept/plan.ts'
import { type DraftOptions, type DraftPlan, planDraft } from './draft-options.ts'
import type { SamplingOptions, SamplingRoom } from './sampler.ts'
import type { GenerationStats, RoundTrace } from './stats.ts'
import type { StopRules } from './stop.ts'

/** What each text of a batch may have of its own. */
export interface TextOptions extends SamplingOptions {
  /** Default 200; `Infinity` for as many as the context holds. */
  readonly maxNewTokens?: number | undefined
  /**
   * What sampling draws by: with the same seed the same tokens, whatever the draft, its length and the number of threads. With
   * `accept: 'rejection'` the tokens depend on what is drafted too: the same come with the same drafts of the same lengths,
   * and need not with a `draftLength` that goes by the clock, as `'cost-model'` does. Of no effect at temperature 0. Default:
   * any; the statistics have it.
   */
  readonly seed?: number | undefined
  /** Strings that end the text; it is returned without them. They need a tokenizer. */
  readonly stop?: readonly string[] | undefined
  /** `true` goes on after the end-of-sequence token. */
  readonly ignoreEos?: boolean | undefined
}

export interface GenerateOptions extends TextOptions, DraftOptions {
  /**
   * How drafts are accepted. `'equality'`, the default: by being what the model chooses, so that the text is that of plain
   * decoding. `'rejection'`: with probability min(1, p/q) (Leviathan et al. 2023), which at a temperature above 0 accepts
   * more and keeps the law of the text, but not its tokens.
   */
  readonly accept?: 'equality' | 'rejection' | undefined
  /** With `'rejection'`: the temperature at which drafts are sampled. Default: that of the text. */
  readonly draftTemperature?: number | undefined
  readonly signal?: AbortSignal | undefined
  /**
   * A sequence whose cache is used, and left at this generation's end: rows of tokens that it shares with the prompt are
   * not run again. Default: one of its own, disposed in the end.
   */
  readonly sequence?: Sequence | undefined
  /** Called after each round with what it did and what it cost. */
  readonly onRound?: ((round: RoundTrace) => void) | undefined
  /** Milliseconds, from any beginning: what everything is timed by. Default `performance.now`; for tests that simulate. */
  readonly clock?: (() => number) | undefined
}

/** Everything decided. */
export interface GenerationPlan {
  readonly lane: LanePlan
  readonly drafting: DraftPlan
  readonly signal: AbortSignal | undefined
}

/** What concerns one text. */
export interface LanePlan {
  readonly ids: readonly number[]
  readonly rules: StopRules
  readonly stop: readonly string[]
  /** Makes what the text accepts by when it begins; `undefined` where the most likely tokens are wanted. */
  readonly accepting: (() => Acceptance) | undefined
  /** Where it is of effect. */
  readonly seed: number | undefined
  readonly sequence: Sequence | undefined
  /** What the statistics say of the draft. */
  readonly about: Pick<GenerationStats, 'draft' | 'draftLength' | 'skip'>
  readonly onRound: ((round: RoundTrace) => void) | undefined
}

/** Throws {@link ArgumentError} for what cannot be done. */
export function planGeneration(
  model: Model,
  prompt: string | readonly number[],
  options: GenerateOptions,
): GenerationPlan {
  expectOptions('generate', options)
  const drafting = planDraft(model, options)
  const room = shareRoom(model.config)
  return { lane: planLane(model, prompt, { options, drafting, room }), drafting, signal: options.signal }
}

/** One text of a generation or a batch, all of which choose their tokens in one `room`. Throws {@link ArgumentError}. */
export function planLane(
  model: Model,
  prompt: string | readonly number[],
  { options, drafting, room }: { options: GenerateOptions; drafting: DraftPlan; room: () => SamplingRoom },
): LanePlan {
  const { maxNewTokens = 200, stop = [], ignoreEos = false } = options
  if (!(maxNewTokens === Number.POSITIVE_INFINITY || (Number.isSafeInteger(maxNewTokens) && maxNewTokens >= 1))) {
    throw new ArgumentError(`maxNewTokens is ${maxNewTokens}, expected a whole number from 1, or Infinity`)
  }
  if (!Array.isArray(stop) || stop.some((text) => typeof text !== 'string' || text === '')) {
    throw new ArgumentError('stop is a list of strings, none of them empty')
  }
  if (stop.length > 0 && !model.hasTokenizer)
    throw new ArgumentError(`${model.name} has no tokenizer to find stop strings with`)
  if (options.sequence && !model.owns(options.sequence)) {
    throw new ArgumentError(`the sequence is not one of ${model.name}'s; use model.createSequence()`)
  }
  const ids = checkedTokens(typeof prompt === 'string' ? model.tokenizer.encode(prompt) : prompt, model.config)
  const { draft, draftLength, skip } = drafting
  return {
    ids,
    rules: {
      eosTokenIds: ignoreEos ? [] : model.config.eosTokenIds,
      maxNewTokens,
      room: model.config.maxPositionEmbeddings - ids.length,
    },
    stop,
    ...planAcceptance(options, model.config, room),
    sequence: options.sequence,
    about: { draft, draftLength: draft === 'none' ? undefined : draftLength.name, skip },
    onRound: options.onRound,
  }
}
