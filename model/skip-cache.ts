// Skip sets in the user's cache folder, each under its model's id: what was found for a model once is there whenever it is
// loaded, from wherever.

import { readCached, writeCached } from '#skip-cache'
import { ArgumentError, ModelFormatError } from '../engine/errors.ts'
import { asObject, parseJson } from './load/json.ts'
import { planSkip, type SkipSet } from './skip.ts'
import { expectLayers, parseSkipEntry, type SkipEntry, skipFormat } from './skip-file.ts'
import { parsePrior, type SkipPrior } from './skip-prior.ts'

/** A model as skip sets know it. */
export interface SkipOwner {
  readonly id: string | undefined
  readonly name: string
  readonly config: { readonly numHiddenLayers: number }
}

/**
 * The set that is kept for a model, if there is one, with what is known of it. Throws {@link ModelFormatError} naming the file, and what to do, where
 * that is damaged, or names layers that the model does not have.
 */
export async function cachedSkip(owner: SkipOwner): Promise<SkipEntry | undefined> {
  if (owner.id === undefined) return undefined
  try {
    const file = await readCached(owner.id)
    if (!file) return undefined
    const { path: where, bytes } = file
    const { numHiddenLayers: layers } = owner.config
    const entry = parseSkipEntry(parseJson(bytes, where), { where, modelName: owner.name })
    return expectLayers(entry, { where, layers })
  } catch (cause) {
    if (!(cause instanceof ModelFormatError)) throw cause
    const remedy = 'delete it, or keep a set anew (--save-skip; in code, saveSkip)'
    throw new ModelFormatError(`${cause.message}; ${remedy}`, { cause })
  }
}

/**
 * What is known of a set where it is the model's own: what was kept for it, or came with the weights. Nothing where the kept
 * file is damaged.
 */
export function ownPrior(
  model: { readonly skip: SkipSet | undefined; readonly skipPrior: SkipPrior | undefined },
  skip: SkipSet,
): SkipPrior | undefined {
  try {
    return model.skip && keyOf(model.skip) === keyOf(skip) ? model.skipPrior : undefined
  } catch (error) {
    if (error instanceof ModelFormatError) return undefined
    throw error
  }
}

/** The same for sets of the same layers. */
function keyOf(skip: SkipSet): string {
  return JSON.stringify([skip.attention, skip.mlp].map((list) => [...new Set(list)].sort((a, b) => a - b)))
}

/** What is written beside a set: what it costs and brings to draft with it, and anything else, which is not read again. */
export type SkipDetails = SkipPrior & Readonly<Record<string, unknown>>

/**
 * Keeps a skip set for a model, which `loadModel` finds then: `drafthorse/skip/ID.json` in the user's cache folder
 * (`XDG_CACHE_HOME`, or what the system has), or `skip/ID.json` in the folder that the environment variable
 * `DRAFTHORSE_CACHE` names. The file is there whole or not at all. `details` are written beside the set. Returns the file's
 * path. Throws {@link ArgumentError} for layers that the model does not have, for costs and survival that are none, and where
 * there is no such folder.
 */
export async function saveSkip(owner: SkipOwner, skip: SkipSet, details: SkipDetails = {}): Promise<string> {
  const { id, name, config } = owner
  planSkip(skip, config.numHiddenLayers)
  expectPrior(details, 'the details of the skip set')
  if (id === undefined) throw new ArgumentError(`${name} has no id to keep a skip set under`)
  const { attention, mlp } = skip
  const entry = name === 'format' ? 'model' : name // a file's other key is "format"
  const content = { format: skipFormat, [entry]: { ...details, id, attention, mlp } }
  return writeCached(id, `${JSON.stringify(content, null, 2)}\n`)
}

/** Checks costs and survival that may come from JavaScript. Throws {@link ArgumentError}, which begins with `where`. */
export function expectPrior(prior: SkipPrior, where: string): void {
  try {
    parsePrior(asObject(prior, where), where)
  } catch (cause) {
    if (!(cause instanceof ModelFormatError)) throw cause
    throw new ArgumentError(cause.message, { cause })
  }
}
