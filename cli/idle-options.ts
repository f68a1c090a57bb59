// Options that do nothing beside the others that were given: said instead of left unsaid.

import type { SamplingOptions } from './sampling-options.ts'

/** What drafts are to skip, of commands that take it. */
export interface SkipOptions {
  readonly skip?: string
  readonly skipAttention?: readonly number[]
  readonly skipMlp?: readonly number[]
  readonly saveSkip?: true
}

/** Of the model: whether it has a skip set of its own. */
export interface ModelHas {
  readonly hasSet: boolean
}

type Options = SamplingOptions & SkipOptions

/** Why some options do nothing, and what would change that. */
interface Rule {
  readonly applies: boolean
  readonly why: string
  readonly names: readonly string[]
  readonly instead: string
}

/** A line for each reason why options that were given do nothing; an option has one reason, the first. */
export function idleOptions(options: Options, model: ModelHas): string[] {
  const { draft, accept, temperature, saveSkip } = options
  const given = {
    '--draft-length': options.draftLength,
    '--exit-layer': options.exitLayer,
    ...(!saveSkip && {
      '--skip': options.skip,
      '--skip-attention': options.skipAttention,
      '--skip-mlp': options.skipMlp,
    }),
    '--accept': accept === 'rejection' || undefined, // equality is what is done anyhow
    '--draft-temperature': options.draftTemperature,
    '--no-prefix-reuse': options.prefixReuse ? undefined : false,
    '--draft-vocabulary': options.draftVocabulary,
    '--draft-vocabulary-text': options.draftVocabularyText,
    '--top-k': options.topK,
    '--top-p': options.topP,
    '--min-p': options.minP,
    '--seed': options.seed,
  }
  const ofHead = ['--draft-vocabulary', '--draft-vocabulary-text']
  const sets = ['--exit-layer', '--skip', '--skip-attention', '--skip-mlp']
  // A guess that was not drawn stands where it is what plain decoding samples, by either rule.
  const ofModel = [...sets, '--accept', '--draft-temperature', '--no-prefix-reuse', ...ofHead]
  const rules: readonly Rule[] = [
    {
      applies: draft === 'none',
      why: 'without a draft',
      names: ['--draft-length', ...ofModel],
      instead: 'leave out --draft none',
    },
    {
      applies: draft === 'lookup',
      why: 'with --draft lookup, which runs no model',
      names: ofModel,
      instead: 'give --draft cascade or --draft skip',
    },
    {
      applies: guessesAlone(options, model),
      why: 'without a skip set, where --draft auto is lookup',
      names: ofModel,
      instead: 'give --exit-layer, or name a set to generate (--skip-attention, --skip-mlp; --save-skip keeps it)',
    },
    {
      applies: temperature === 0,
      why: 'at temperature 0',
      names: ['--top-k', '--top-p', '--min-p', '--seed', '--accept', '--draft-temperature'],
      instead: 'give a --temperature above 0',
    },
    {
      applies: accept !== 'rejection',
      why: 'with --accept equality',
      names: ['--draft-temperature'],
      instead: 'give --accept rejection',
    },
  ]
  const idle = new Set(Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name])))
  return rules
    .filter(({ applies }) => applies)
    .flatMap(({ why, names, instead }) => {
      const these = names.filter((name) => idle.delete(name))
      return these.length === 0 ? [] : [`of no effect ${why}: ${these.join(', ')}; ${instead}`]
    })
}

/**
 * Says where a seed gives one text today and another tomorrow: by rejection the text depends on what is drafted, and that on
 * the clock.
 */
export function looseSeed(options: Options, model: ModelHas): string[] {
  const { draft, draftLength = 'cost-model', accept, temperature, seed } = options
  const drawn = draft !== 'none' && draft !== 'lookup' && !guessesAlone(options, model)
  const loose = drawn && accept === 'rejection' && draftLength === 'cost-model' && temperature > 0 && seed !== undefined
  if (!loose) return []
  return [
    'under --accept rejection the text depends on how much is drafted, which --draft-length cost-model decides by the clock: --seed alone does not give the same text again; give a number too, like --draft-length 4',
  ]
}

/** Whether `--draft auto` has nothing to run: it takes a skip set where there is one. */
function guessesAlone({ draft = 'auto', exitLayer, skip, skipAttention, skipMlp }: Options, model: ModelHas): boolean {
  const isGiven = [exitLayer, skip, skipAttention, skipMlp].some((given) => given !== undefined)
  return draft === 'auto' && !isGiven && !model.hasSet
}
