// What a search found as a skip file: kept for the model in the cache folder, and written where `--out` says.

import { readFile, realpath, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { mergedPrior } from '../../bench/save-costs.ts'
import { ArgumentError, ModelFormatError, NotFoundError } from '../../engine/errors.ts'
import { asObject, type JsonObject, parseJson } from '../../model/load/json.ts'
import type { Model } from '../../model/load-model.ts'
import { expectTakesFiles, putInPlace } from '../../model/put-in-place-node.ts'
import { ownPrior, type SkipDetails } from '../../model/skip-cache.ts'
import { findSkipEntry, skipFormat } from '../../model/skip-file.ts'
import { costsOf, type SublayerCosts } from '../../search/costs.ts'
import type { ConfirmedRecord, JournalHeader } from '../../search/journal.ts'
import type { Evaluation } from '../../search/objective.ts'
import { type Point, skipOf } from '../../search/space.ts'
import { unasked } from '../../search/verdict.ts'

/** Bytes: what a skip file in the cache folder may have. */
const largestFile = 1_000_000

/** Of a draft pass: measured as nothing it is a rounding error, and no cost that a skip file may have. */
const leastDraft = 1e-4

/** A set that was chosen. */
export interface Chosen extends Evaluation {
  readonly point: Point
  /** Undefined where it was not timed. */
  readonly confirmed: ConfirmedRecord | undefined
}

/** What is written beside the set. */
export function detailsOf(
  model: Model,
  { header, costs, chosen }: { header: JournalHeader; costs: SublayerCosts; chosen: Chosen },
): SkipDetails {
  const { backend, summary } = model
  const { point, draftLength, speedup, survival, confirmed } = chosen
  const known = ownPrior(model, skipOf(point))
  const { draft, ...rest } = costsOf(costs, point)
  return {
    backend: backend.name,
    dtype: summary.dtype,
    threads: backend.capabilities.threads,
    objective: header.objective,
    draftLength,
    predicted: speedup,
    ...(confirmed && { confirmed: unasked(confirmed) }),
    date: new Date().toISOString(),
    ...mergedPrior(known, model, { costs: { ...rest, draft: Math.max(draft, leastDraft) }, survival }),
  }
}

/**
 * Whether a skip file can be written there, asked before the search begins. Throws {@link ArgumentError} where something stands
 * there that is no skip file, or the folder takes no files, and {@link NotFoundError} where there is no such folder.
 */
export async function expectSkipFilePlace(path: string): Promise<void> {
  await contentOf(path)
  const folder = dirname(await placeOf(path))
  await expectTakesFiles(folder).catch((cause: unknown) => refuseToWrite(path, cause))
}

function refuseToWrite(path: string, cause: unknown): never {
  const why = cause instanceof Error ? cause.message : String(cause)
  throw new ArgumentError(`${path} cannot be written: ${why}; give --out another name`, { cause })
}

/** Where a link stands, what it leads to is replaced. */
function placeOf(path: string): Promise<string> {
  return realpath(path).catch(() => path)
}

/** What a skip file has; nothing where there is none, or one of a set by itself. */
async function contentOf(path: string): Promise<JsonObject | undefined> {
  const found = await stat(path).catch(() => undefined)
  if (!found) {
    const folder = await stat(dirname(path)).catch(() => undefined)
    if (folder?.isDirectory()) return undefined
    throw new NotFoundError(`${path} cannot be written: there is no folder ${dirname(path)}`)
  }
  const refuse = (why: string, cause?: unknown): never => {
    throw new ArgumentError(`${path} is there already and is no skip file (${why}); give --out another name`, { cause })
  }
  if (!found.isFile()) return refuse('it is not a file')
  if (found.size > largestFile) return refuse(`it has ${found.size} bytes`)
  try {
    const content = asObject(parseJson(await readFile(path), path), path)
    for (const modelName of ['', ...Object.keys(content)]) findSkipEntry(content, { where: path, modelName })
    // A set by itself has no name under which it could stay.
    const isBare = Array.isArray(content['attention']) || Array.isArray(content['mlp'])
    return isBare ? undefined : content
  } catch (cause) {
    if (!(cause instanceof ModelFormatError)) throw cause
    return refuse(cause.message, cause)
  }
}

/**
 * Writes the file, whole or not at all: the entry of a model replaced, the others as they are now, which may be others than when
 * the search began. Throws {@link ArgumentError} where it cannot be written.
 */
export async function writeSkipFile(
  path: string,
  { model, point, details }: { model: Model; point: Point; details: SkipDetails },
): Promise<void> {
  const { id, name } = model
  const { format: _, ...others } = (await contentOf(path)) ?? {}
  const entry = name === 'format' ? 'model' : name // a file's other key is "format"
  const { attention, mlp } = skipOf(point)
  const whole = { format: skipFormat, ...others, [entry]: { ...details, id, attention, mlp } }
  const text = `${JSON.stringify(whole, null, 2)}\n`
  const place = await placeOf(path)
  await putInPlace(place, (temporary) => writeFile(temporary, text, { flag: 'wx' })).catch((cause: unknown) =>
    refuseToWrite(path, cause),
  )
}
