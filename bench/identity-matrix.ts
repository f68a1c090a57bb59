// What identity is shown for, as data: a way to draft, a draft length, a way to sample or a prompt more is a line more.

import type { GenerateOptions } from '../decode/options.ts'
import type { SamplingOptions } from '../decode/sampler.ts'
import { seeded } from '../decode/seeded.ts'
import type { Model } from '../model/load-model.ts'
import type { SkipSet } from '../model/skip.ts'
import { hostileDraft } from './hostile-draft.ts'

/** What a way to draft may look at. */
export interface DraftingCase {
  readonly model: Model
  readonly seed: number
  readonly promptTokens: number
  /** What plain decoding gave. */
  readonly plain: readonly number[]
}

/** The options of a way to draft; undefined where it is none for this model. */
export type Drafting = (at: DraftingCase) => GenerateOptions | undefined

const skipping = (set: (layers: number[], at: DraftingCase) => SkipSet): Drafting => {
  return (at) => {
    const layers = Array.from({ length: at.model.config.numHiddenLayers }, (_, i) => i)
    return { draft: 'skip', skip: set(layers, at) }
  }
}

const exitAfter =
  (share: number): Drafting =>
  ({ model }) => ({ draft: 'skip', exitLayer: Math.ceil(share * model.config.numHiddenLayers) })

const everySecond = skipping((layers) => ({
  attention: layers.filter((layer) => layer % 2 === 1),
  mlp: layers.filter((layer) => layer % 2 === 0 && layer > 0),
}))

export const drafts: Readonly<Record<string, Drafting>> = {
  'own-set': ({ model }) => (model.skip ? { draft: 'skip' } : undefined),
  'no-sublayer': skipping(() => ({ attention: [], mlp: [] })),
  'first-attention': skipping(() => ({ attention: [0], mlp: [] })),
  'last-mlp': skipping((layers) => ({ attention: [], mlp: layers.slice(-1) })),
  'every-attention': skipping((layers) => ({ attention: layers, mlp: [] })),
  'every-sublayer': skipping((layers) => ({ attention: layers, mlp: layers })),
  'every-second': everySecond,
  'any-set': skipping((layers, { seed }) => {
    const chance = seeded(seed, 'any-set')
    return { attention: layers.filter(() => chance.below(2)), mlp: layers.filter(() => chance.below(2)) }
  }),
  'exit-quarter': exitAfter(0.25),
  'exit-half': exitAfter(0.5),
  'no-prefix-reuse': (at) => ({ ...everySecond(at), reusePrefix: false }),
  'small-vocabulary': (at) => ({ ...everySecond(at), draftVocabulary: Math.ceil(at.model.config.vocabSize / 8) }),
  lookup: () => ({ draft: 'lookup' }),
  cascade: (at) => ({ ...everySecond(at), draft: 'cascade' }),
  auto: () => ({ draft: 'auto' }),
  hostile: (at) => ({ draft: hostileDraft(at) }),
}

export const draftLengths: Readonly<Record<string, GenerateOptions['draftLength']>> = {
  '1': 1,
  '2': 2,
  '4': 4,
  '8': 8,
  threshold: 'threshold',
  adaptive: 'adaptive',
  'cost-model': 'cost-model',
}

export const samplings: Readonly<Record<string, SamplingOptions>> = {
  greedy: {},
  'greedy-penalty': { repetitionPenalty: 1.3 },
  cool: { temperature: 0.5, topK: 20, repetitionPenalty: 1.1 },
  warm: { temperature: 0.8, topP: 0.95 },
  hot: { temperature: 1.3, minP: 0.02, topK: 200, repetitionPenalty: 1.2 },
}

/** Rows of context at which a kernel might begin to work otherwise: sizes of blocks and chunks. */
export const boundaries: readonly number[] = [8, 16, 32, 64, 256]

export interface PromptKind {
  /** Tokens of the prompt: a number of them, or so many fewer than the context holds. */
  readonly tokens: number | { readonly beforeContext: number }
  /** How the text may end, beside its number of tokens. */
  readonly ends?: 'eos' | 'stop'
}

/** Shortly before each boundary begins a prompt. */
export const prompts: Readonly<Record<string, PromptKind>> = {
  one: { tokens: 1 },
  three: { tokens: 3, ends: 'eos' },
  twelve: { tokens: 12 },
  'twenty-eight': { tokens: 28, ends: 'stop' },
  sixty: { tokens: 60, ends: 'eos' },
  long: { tokens: 246 },
  full: { tokens: { beforeContext: 20 } },
}

/** Strings that end a text of which it is asked. */
export const stopStrings: readonly string[] = [' and then', '!"', '\n\n']

/** The longest context that is filled: filling a longer one would take all the time there is. */
const longestFilled = 1024

/**
 * The ids of a prompt: of `texts`, from one that the seed chooses on, or any ids for a model without a tokenizer. Undefined
 * where the model's context has no room for it.
 */
export function promptIds(
  model: Model,
  { tokens }: PromptKind,
  { texts, seed }: { texts: readonly string[]; seed: number },
): readonly number[] | undefined {
  const { maxPositionEmbeddings: context, vocabSize } = model.config
  const count = typeof tokens === 'number' ? tokens : context - tokens.beforeContext
  if (count < 1 || count >= context || (typeof tokens !== 'number' && context > longestFilled)) return undefined
  const chance = seeded(seed, 'prompt', count)
  if (!model.hasTokenizer || texts.length === 0) return Array.from({ length: count }, () => chance.below(vocabSize))
  const ids: number[] = []
  for (const text of chance.shuffled(texts)) {
    if (ids.length >= count) break
    ids.push(...model.tokenizer.encode(text, { addSpecialTokens: ids.length === 0 }))
  }
  while (ids.length < count) ids.push(...ids.slice(0, count - ids.length))
  return ids.slice(0, count)
}
