// The options that say how a generation drafts, their defaults, and their checks.

import { ArgumentError } from '../engine/errors.ts'
import type { DraftCosts } from '../model/draft-costs.ts'
import { mostFrequentIds } from '../model/frequent-ids.ts'
import type { Model } from '../model/load-model.ts'
import { planSkip, type SkipSet } from '../model/skip.ts'
import { expectPrior, ownPrior } from '../model/skip-cache.ts'
import { draftCostsOn, type SkipPrior } from '../model/skip-prior.ts'
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
  /**
   * What is known of drafting with `skip` or `exitLayer`, where that is not the model's own set: costs and survival, as a skip
   * file has them. Of effect where it tells of this backend, and of the type in which most weights run.
   */
  readonly skipPrior?: SkipPrior | undefined
  /** In place of `skip`: the draft is the model's first `exitLayer` layers (early exit). */
  readonly exitLayer?: number | undefined
  /** `false`: verification does anew what the draft has done below its first skipped sublayer; to measure what that saves. */
  readonly reusePrefix?: boolean | undefined
  /**
   * The draft chooses among so many tokens, which makes its head cheaper: those most frequent in `text`, where one is given,
   * and then the lowest ids. Default: all. The heads of the two choices that were used last are kept with the model.
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
  if (typeof draft === 'object') expectOwnDraft(options)
  const draftLength = planDraftLength(wanted)
  const { skip, prior } = planSkipSet(model, options)
  const layersDraft = skip !== undefined && draftsLayers(draft)
  const vocabulary = planVocabulary(model, options, layersDraft)
  return {
    draft: typeof draft === 'string' ? draft : draft.name,
    draftLength,
    skip: layersDraft ? skip : undefined,
    async start() {
      const lent = layersDraft && vocabulary ? await model.lendDraftHead(vocabulary) : undefined
      const { reusePrefix } = options
      const layers = layersDraft ? skipLayers(skip, { reusePrefix, head: lent?.head }) : undefined
      const drafts = partsOf(draft, layers)
      const names = drafts.map(({ name }) => name)
      const freeReads = model.backend.capabilities.freeReads === true
      const lengths = draftLength.start({ drafts: names, prior, freeReads })
      return { drafts, policy: draftLength, lengths, clock, release: () => lent?.release() }
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

/** The head and the prefix are matters of layers that are skipped, and a draft of the user's makes those itself. */
function expectOwnDraft({ draftVocabulary, reusePrefix }: DraftOptions): void {
  if (reusePrefix !== undefined) {
    throw new ArgumentError('reusePrefix does nothing beside a Draft: pass it to skipLayers(skip, { reusePrefix })')
  }
  if (draftVocabulary === undefined) return
  throw new ArgumentError(
    'draftVocabulary does nothing beside a Draft: pass a head to skipLayers(skip, { head: await model.draftHead(ids) })',
  )
}

/** Whether layers may be skipped for it. */
function draftsLayers(draft: DraftOptions['draft']): boolean {
  return draft === 'skip' || draft === 'cascade' || draft === 'auto'
}

/** The set that drafts may skip, checked, and what it costs to draft with it here, where that is known. */
function planSkipSet(
  model: Model,
  { draft = 'auto', skip, skipPrior, exitLayer }: DraftOptions,
): { skip: SkipSet | undefined; prior: DraftCosts | undefined } {
  const { numHiddenLayers: layers } = model.config
  const given = exitLayer === undefined ? skip : exitAfter(exitLayer, { skip, layers })
  if (given !== undefined) planSkip(given, layers)
  if (skipPrior !== undefined) {
    if (given === undefined) throw new ArgumentError('skipPrior tells of the set of "skip" or "exitLayer"; give one')
    expectPrior(skipPrior, 'skipPrior')
  }
  const wanted = draftsLayers(draft)
  const found = given ?? (wanted ? model.skip : undefined)
  if (given === undefined && found !== undefined) planSkip(found, layers)
  if (found === undefined && (draft === 'skip' || draft === 'cascade')) {
    throw new ArgumentError(
      `no skip set of ${model.name} was found, neither in the cache folder nor beside its weights: give one with the option "skip" (--skip-attention and --skip-mlp, or --skip FILE), or "exitLayer" (--exit-layer); where this version has the command, "drafthorse search --model ${model.name}" finds one`,
    )
  }
  if (!wanted || found === undefined) return { skip: found, prior: undefined }
  return { skip: found, prior: given === undefined ? model.draftCosts : costsOf(model, given, skipPrior) }
}

/** What drafting with a given set costs here: as is said of it, or else as is known of the model's own, where it is that. */
function costsOf(model: Model, skip: SkipSet, said: SkipPrior | undefined): DraftCosts | undefined {
  const { backend, summary } = model
  const runner = { backend: backend.name, dtype: summary.dtype, threads: backend.capabilities.threads }
  const own = ownPrior(model, skip)
  return (said && draftCostsOn(said, runner)) ?? (own && draftCostsOn(own, runner))
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

/** What was counted last for a model: turns of a talk, and prompts of a list, ask for the same again. */
const counts = new WeakMap<Model, { readonly text: string; readonly size: number; readonly ids: readonly number[] }>()

/** The ids that drafts may choose; undefined for all, and where no layers `draft`. Throws {@link ArgumentError}. */
function planVocabulary(
  model: Model,
  { draftVocabulary }: DraftOptions,
  draft: boolean,
): readonly number[] | undefined {
  if (draftVocabulary === undefined) return undefined
  const { size, text = '' } = typeof draftVocabulary === 'number' ? { size: draftVocabulary } : draftVocabulary
  const { vocabSize } = model.config
  const last = counts.get(model)
  if (draft && last?.text === text && last.size === size) return last.ids
  const counted = text === '' || !draft ? [] : model.tokenizer.encode(text, { specialTokens: 'plain' })
  const ids = mostFrequentIds(counted, { size, vocabSize }) // which checks the size, of use or not
  if (!draft) return undefined
  counts.set(model, { text, size, ids })
  return ids
}
