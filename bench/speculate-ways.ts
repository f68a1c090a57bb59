// The ways to draft that are compared with plain decoding, and what of them can be switched off, as data.

import { adaptive, adaptiveState } from '../decode/draft-length/adaptive.ts'
import type { GenerateOptions } from '../decode/options.ts'
import type { Model } from '../model/load-model.ts'

/** One way of decoding. */
export interface Way {
  /** `'none'` is plain decoding. */
  readonly draft: string
  readonly draftLength: string
  /** Of several with this draft and length. */
  readonly variant?: string
  readonly options: GenerateOptions
}

export const plainWay: Way = { draft: 'none', draftLength: '0', options: { draft: 'none' } }

/** By name; undefined where a model has nothing to draft so with. */
export const drafts: Readonly<Record<string, (model: Model) => GenerateOptions | undefined>> = {
  skip: ({ skip }) => (skip ? { draft: 'skip' } : undefined),
  lookup: () => ({ draft: 'lookup' }),
  cascade: ({ skip }) => (skip ? { draft: 'cascade' } : undefined),
  auto: () => ({ draft: 'auto' }),
}

/** Policies by name, beside fixed lengths: one for all prompts of a way, so that what feedback learns is carried on. */
export const policies: Readonly<Record<string, () => GenerateOptions['draftLength']>> = {
  threshold: () => 'threshold',
  adaptive: () => adaptive({ state: adaptiveState() }),
  'cost-model': () => 'cost-model',
}

/** What makes drafting cheaper and can be left out, so that its gain is measured. */
export interface Saving {
  readonly name: string
  readonly on: (model: Model) => GenerateOptions
  readonly off: (model: Model) => GenerateOptions
}

export const savings: readonly Saving[] = [
  { name: 'prefix reuse', on: () => ({}), off: () => ({ reusePrefix: false }) },
  {
    name: 'a quarter of the vocabulary to draft with',
    on: ({ config }) => ({ draftVocabulary: Math.ceil(config.vocabSize / 4) }),
    off: () => ({}),
  },
]

/** A way to draft of this model by names of the two lists above, or a fixed length by its number. */
export function wayOf(model: Model, { draft, draftLength }: { draft: string; draftLength: string }): Way | undefined {
  const options = drafts[draft]?.(model)
  const length = policies[draftLength]?.() ?? Number(draftLength)
  return options && { draft, draftLength, options: { ...options, draftLength: length } }
}
