// Options that do nothing beside the others that were given: said instead of left unsaid.

import type { SamplingOptions } from './sampling-options.ts'

/** Why some options do nothing, and what would change that. */
interface Rule {
  readonly applies: boolean
  readonly why: string
  readonly names: readonly string[]
  readonly instead: string
}

/** A line for each reason why options that were given do nothing; an option has one reason, the first. */
export function idleOptions(options: SamplingOptions): string[] {
  const { draft, accept, temperature } = options
  const given = {
    '--draft-length': options.draftLength,
    '--exit-layer': options.exitLayer,
    '--accept': accept === 'rejection' || undefined, // equality is what is done anyhow
    '--draft-temperature': options.draftTemperature,
    '--no-prefix-reuse': options.prefixReuse ? undefined : false,
    '--draft-vocabulary': options.draftVocabulary,
    '--top-k': options.topK,
    '--top-p': options.topP,
    '--min-p': options.minP,
    '--seed': options.seed,
  }
  const ofModel = ['--exit-layer', '--draft-temperature', '--no-prefix-reuse', '--draft-vocabulary']
  const rules: readonly Rule[] = [
    {
      applies: draft === 'none',
      why: 'without a draft',
      names: ['--draft-length', '--accept', ...ofModel],
      instead: 'leave out --draft none',
    },
    {
      applies: draft === 'lookup',
      why: 'with --draft lookup, which runs no model',
      names: ofModel,
      instead: 'give --draft cascade or --draft skip',
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
