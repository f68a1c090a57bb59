// Skip files: which sublayers a model's draft leaves out, by the model's name, as in the paper's skip_layers.json, and what is
// known of drafting so.

import { ArgumentError, ModelFormatError } from '../engine/errors.ts'
import { asObject, describe, isObject, type JsonObject, quote } from './load/json.ts'
import { planSkip, type SkipSet } from './skip.ts'
import { parsePrior, type SkipPrior } from './skip-prior.ts'

/** What this package writes under the key `format`; the paper's own file has no such key. */
export const skipFormat = 'drafthorse/skip@1'

/** Layers that are believed: as many as a config may have. */
const mostLayers = 2 ** 14

/** What a skip file has for one model. */
export interface SkipEntry {
  readonly skip: SkipSet
  /** Of the model that the set was found for, where the entry says so (`modelId`). */
  readonly id?: string
  /** What it costs to draft with this set, and what that brings. */
  readonly prior?: SkipPrior
}

/**
 * Reads a skip file: `{ "NAME": { "attention": [...], "mlp": [...] } }`, or one such set alone. Gives the set of
 * `modelName`, or the only one, sorted and without duplicates; whether its layers exist is checked when it is used.
 * Throws {@link ModelFormatError}, which lists the names when there are several and none is `modelName`.
 */
export function parseSkipFile(json: unknown, options: { where: string; modelName: string }): SkipSet {
  return parseSkipEntry(json, options).skip
}

/** {@link parseSkipFile}, with `id`, `costs` and `survival` of the entry, which stand beside its layers. */
export function parseSkipEntry(json: unknown, options: { where: string; modelName: string }): SkipEntry {
  const { where, modelName } = options
  const found = findSkipEntry(json, options)
  if (found) return found
  const names = Object.keys(entriesOf(json, where)).map(quote).join(', ')
  throw new ModelFormatError(`${where} has no skip set for ${quote(modelName)}; it has ${names || 'none at all'}`)
}

/** {@link parseSkipEntry}, but `undefined` where the file has no set for this model. */
export function findSkipEntry(
  json: unknown,
  { where, modelName }: { where: string; modelName: string },
): SkipEntry | undefined {
  const entries = entriesOf(json, where)
  if (isBare(entries)) return parseEntry(entries, where)
  const names = Object.keys(entries)
  const name = Object.hasOwn(entries, modelName) ? modelName : names.length === 1 ? names[0]! : undefined
  if (name === undefined) return undefined
  const inside = `${quote(name)} of ${where}`
  return parseEntry(asObject(entries[name], inside), inside)
}

/** What a file has, all layers of which a model of so many layers has. Throws {@link ModelFormatError}. */
export function expectLayers(entry: SkipEntry, { where, layers }: { where: string; layers: number }): SkipEntry {
  try {
    planSkip(entry.skip, layers)
  } catch (cause) {
    if (!(cause instanceof ArgumentError)) throw cause
    throw new ModelFormatError(`${where}: ${cause.message}`, { cause })
  }
  return entry
}

/** The file's content without `format`, which is checked. */
function entriesOf(json: unknown, where: string): JsonObject {
  const { format, ...entries } = asObject(json, where)
  if (format !== undefined && format !== skipFormat) {
    throw new ModelFormatError(`${where} has the format ${quote(format)}; this version reads ${quote(skipFormat)}`)
  }
  return entries
}

/** A set by itself has lists where a file of sets has objects. */
function isBare(entries: JsonObject): boolean {
  return ['attention', 'mlp'].some((key) => Object.hasOwn(entries, key) && !isObject(entries[key]))
}

function parseEntry(entry: JsonObject, where: string): SkipEntry {
  const skip = { attention: layers(entry, 'attention', where), mlp: layers(entry, 'mlp', where) }
  const prior = parsePrior(entry, where)
  const id = entry['id']
  return { skip, ...(typeof id === 'string' && { id }), ...(prior && { prior }) }
}

function layers(set: JsonObject, key: keyof SkipSet, where: string): readonly number[] {
  const list = set[key]
  if (!Array.isArray(list))
    throw new ModelFormatError(`${where}: "${key}" is ${describe(list)}; expected a list of layers`)
  const valid = new Set<number>()
  for (const layer of list) {
    if (!Number.isSafeInteger(layer) || layer < 0 || layer >= mostLayers) {
      throw new ModelFormatError(`${where}: "${key}" names the layer ${quote(layer)}; expected whole numbers from 0 on`)
    }
    valid.add(layer)
  }
  return [...valid].sort((a, b) => a - b)
}
