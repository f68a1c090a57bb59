// The options that say how a generation drafts, their defaults, and their checks.

import { ArgumentError } from '../engine/errors.ts'
import { mostFrequentIds } from '../model/frequent-ids.ts'
import type { Model } from '../model/load-model.ts'
import { planSkip, type SkipSet } from '../model/skip.ts'
import type { Draft, SingleDraft } from './draft/draft.ts'
import { promptLookup } from './draft/prompt-lookup.ts'
import { skipLayers } from './draft/skip-layers.ts'
import { adaptive } from './draft-length/adaptive.ts'
import { costModel } from './draft-length/cost-model.ts'
import type { DraftLength } from './draft-length/draft-length.ts'
import { fixedLength } from './draft-length/fixed.ts'
import { threshold } from './draft-length/threshold.ts'
import type { Drafting } from './lane.ts'

export interface DraftOptions {
  /**
   * `'none'` is plain decoding. `'skip'`: the model with sublayers left out. `'lookup'`: what followed where the text said
   * the same before. `'cascade'`: lookup, and `'skip'` where it finds nothing. `'auto'`, the default: as `'cascade'` where
   * there is a skip set, else as `'lookup'`.
   */
  readonly draft?: 'none' | 'skip' | 'lookup' | 'cascade' | 'auto' | Draft | undefined
  /**
   * A number of tokens, of which a guess has 64 at most; `'threshold'`: as long as the draft is sure of itself; `'adaptive'`:
   * by a threshold that follows the rate of acceptance, as in the paper; `'cost-model'`, the default: what gives the most
   * tokens in a time, by what passes cost here; or a policy.
   */
  readonly draftLength?: number | 'threshold' | 'adaptive' | 'cost-model' | DraftLength | undefined
  /** The sublayers that `'skip'` leaves out. Default: the model's own set. */
  readonly skip?: SkipSet | undefined
  /** In place of `skip`: the draft is the model's first `exitLayer` layers (early exit). */
  readonly exitLayer?: number | undefined
  /** `false`: verification does anew what the draft has done below its first skipped sublayer; to measure what that saves. */
  readonly reusePrefix?: boolean | undefined
  /**
   * The draft chooses among so many tokens, which makes its head cheaper: those most frequent in `text`, where one is given,
   * and then the lowest ids. Default: all.
   */
  readonly draftVocabulary?: number | { readonly size: number; readonly text?: string | undefined } | undefined
}

/** How a generation, or a batch, drafts. */
export interface DraftPlan {
  /** As the option has it, `'none'`, or the name of the user's own. */
  readonly draft: string
  readonly draftLength: DraftLength
  /** What `'skip'` leaves out, where it is among the drafts. */
  readonly skip: SkipSet | undefined
  /** Makes the drafts, and whatever they need. */
  start(): Promise<Drafting>
}

/** Throws {@link ArgumentError} for what cannot be done. */
export function planDraft(
  model: Model,
  options: DraftOptions & { readonly clock?: (() => number) | undefined },
): DraftPlan {
  const { draft = 'auto', draftLength: wanted = 'cost-model', clock = () => performance.now() } = options
  expectDraft(draft)
  const draftLength = planDraftLength(wanted)
  const { skip, own } = planSkipSet(model, options)
  const vocabulary = planVocabulary(model, options)
  return {
    draft: typeof draft === 'string' ? draft : draft.name,
    draftLength,
    skip: draft === 'skip' || draft === 'cascade' || draft === 'auto' ? skip : undefined,
    async start() {
      const head = skip && vocabulary && (await model.draftHead(vocabulary))
      const layers = skip && skipLayers(skip, { reusePrefix: options.reusePrefix, head })
      const drafts = partsOf(draft, layers)
      const names = drafts.map(({ name }) => name)
      const prior = own ? model.draftCosts : undefined
      const freeReads = model.backend.capabilities.freeReads === true
      const lengths = draftLength.start({ drafts: names, prior, freeReads })
      return { drafts, policy: draftLength, lengths, clock }
    },
  }
}

const draftNames: readonly unknown[] = ['none', 'skip', 'lookup', 'cascade', 'auto']

/** Options may come from JavaScript. Throws {@link ArgumentError}. */
function expectDraft(draft: unknown): void {
  if (draftNames.includes(draft)) return
  const own: { start?: unknown; parts?: unknown } = typeof draft === 'object' && draft ? draft : {}
  if (typeof own.start === 'function') return
  if (Array.isArray(own.parts) && own.parts.length > 0) {
    const parts: readonly ({ start?: unknown } | null | undefined)[] = own.parts
    const at = parts.findIndex((part) => typeof part?.start !== 'function')
    if (at < 0) return
    throw new ArgumentError(
      `part ${at} of the draft has no method "start"; cascade(...drafts) makes one list of any drafts`,
    )
  }
  const names = draftNames.map((name) => `"${name}"`).join(', ')
  throw new ArgumentError(`draft is "${String(draft)}", expected ${names} or a Draft`)
}

/** The set that drafts may skip, checked, and whether it is the model's own, which its measured costs are of. */
function planSkipSet(
  model: Model,
  { draft = 'auto', skip, exitLayer }: DraftOptions,
): { skip: SkipSet | undefined; own: boolean } {
  const { numHiddenLayers: layers } = model.config
  const given = exitLayer === undefined ? skip : exitAfter(exitLayer, { skip, layers })
  if (given !== undefined) planSkip(given, layers)
  const wanted = draft === 'skip' || draft === 'cascade' || draft === 'auto'
  const found = given ?? (wanted ? model.skip : undefined)
  if (given === undefined && found !== undefined) planSkip(found, layers)
  if (found === undefined && (draft === 'skip' || draft === 'cascade')) {
    throw new ArgumentError(
      `no skip set of ${model.name} was found, neither in the cache folder nor beside its weights: give one with the option "skip" (--skip-attention and --skip-mlp, or --skip FILE), or "exitLayer" (--exit-layer); where this version has the command, "drafthorse search --model ${model.name}" finds one`,
    )
  }
  return { skip: found, own: given === undefined && found !== undefined }
}

/** Early exit: the sublayers of all layers from `exitLayer` on. */
function exitAfter(exitLayer: number, { skip, layers }: { skip: SkipSet | undefined; layers: number }): SkipSet {
  if (skip !== undefined) throw new ArgumentError('give "skip" or "exitLayer", not both')
  if (!Number.isSafeInteger(exitLayer) || exitLayer < 0 || exitLayer > layers) {
    throw new ArgumentError(`exitLayer is ${exitLayer}, expected a number of layers, 0 to ${layers}`)
  }
  const left = Array.from({ length: layers - exitLayer }, (_, i) => exitLayer + i)
  return { attention: left, mlp: left }
}

/** The drafts to ask, in their order. */
function partsOf(draft: DraftOptions['draft'], layers: SingleDraft | undefined): readonly SingleDraft[] {
  switch (draft) {
    case 'none':
      return []
    case 'lookup':
      return [promptLookup()]
    case 'skip':
      return layers ? [layers] : []
    case undefined:
    case 'auto':
    case 'cascade':
      return layers ? [promptLookup(), layers] : [promptLookup()]
    default:
      return 'parts' in draft ? draft.parts : [draft]
  }
}

function planDraftLength(draftLength: NonNullable<DraftOptions['draftLength']>): DraftLength {
  if (typeof draftLength === 'number') return fixedLength(draftLength)
  switch (draftLength) {
    case 'threshold':
      return threshold()
    case 'adaptive':
      return adaptive()
    case 'cost-model':
      return costModel()
    default:
      if (typeof draftLength?.start === 'function') return draftLength
      throw new ArgumentError(
        `draftLength is "${String(draftLength)}", expected a number of tokens, "threshold", "adaptive", "cost-model" or a policy`,
      )
  }
}

/** The ids that drafts may choose. Throws {@link ArgumentError}. */
function planVocabulary(model: Model, { draftVocabulary }: DraftOptions): readonly number[] | undefined {
  if (draftVocabulary === undefined) return undefined
  const { size, text = '' } = typeof draftVocabulary === 'number' ? { size: draftVocabulary } : draftVocabulary
  const { vocabSize } = model.config
  const counted = text === '' ? [] : model.tokenizer.encode(text, { specialTokens: 'plain' })
  return mostFrequentIds(counted, { size, vocabSize })
}
