// TensorFlow.js's own form of weights: a JSON manifest of groups, each a list of tensors whose bytes follow each other in
// a list of files, cut anywhere. The manifest comes from strangers: everything in it is checked against the files' sizes
// before anything is read. Decoded by TensorFlow.js, one tensor at a time.

import { DisposedError, ModelFormatError, NotFoundError } from '../../engine/errors.ts'
import { openWeightDecoder, type WeightSpec } from '../../engine/tfjs/weights.ts'
import { checkFileName, hasNone, type ModelFiles, openRequired, startBytes } from './files.ts'
import { asObject, describe, isObject, quote, readJson } from './json.ts'
import { claimedSize, isWholeNumbers } from './shape.ts'

/** The names that TensorFlow.js's converter and its plain writer give to a manifest. */
export const tfjsManifests: readonly string[] = ['model.json', 'weights_manifest.json']

/** Bytes of one value, by the type that files hold. */
const bytesOf = { float32: 4, float16: 2, uint16: 2, uint8: 1 } as const

type ManifestType = keyof typeof bytesOf

/** One tensor of a manifest, not read yet. */
export interface ManifestTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly storedAs: ManifestType
  /**
   * Reads and decodes it, to f32 bytes, row-major and little-endian. That takes at most twice the bytes that files hold
   * of it, and 4 bytes a value.
   */
  read(): Promise<Uint8Array>
  /** Reads the first `startBytes` of what files hold at most. */
  start(): Promise<Uint8Array>
}

/** The tensors of a manifest. Files are open only while they are read. */
export interface OpenManifest {
  readonly tensors: ReadonlyMap<string, ManifestTensor>
  close(): Promise<void>
}

/**
 * Opens weights by their manifest: a list of groups, or an object with such a list as `weightsManifest`. Throws
 * {@link ModelFormatError} for a manifest that is damaged, does not fit its files or leads out of the folder,
 * {@link NotFoundError} for a file that is missing, and {@link BackendUnavailableError} where TensorFlow.js is.
 */
export async function openTfjsManifest(files: ModelFiles, path: string): Promise<OpenManifest> {
  const json = await readJson(files, path)
  if (json === undefined) throw new NotFoundError(hasNone(files, path))
  const laidOut = []
  for (const group of parseManifest(json, path)) laidOut.push(await layOut(files, group))

  const decode = await openWeightDecoder(`decoding the weights of ${path} of "${files.name}"`)
  let closed = false
  const tensors = new Map<string, ManifestTensor>()
  for (const { shards, spans } of laidOut) {
    for (const { spec, storedAs, begin, end } of spans) {
      const { name, shape } = spec
      const read = async (): Promise<Uint8Array> => {
        if (closed) throw new DisposedError(`model "${files.name}" was closed, and cannot be read any more`)
        const { buffer, byteOffset, byteLength } = decode(await readSpan(files, shards, { begin, end }), spec)
        return new Uint8Array(buffer, byteOffset, byteLength)
      }
      const start = async (): Promise<Uint8Array> => {
        const pieces = await readSpan(files, shards, { begin, end: Math.min(end, begin + startBytes) })
        return Uint8Array.from(pieces.flatMap((piece) => [...piece]))
      }
      tensors.set(name, { name, shape, storedAs, read, start })
    }
  }
  return {
    tensors,
    async close() {
      closed = true
    },
  }
}

interface Entry {
  readonly spec: WeightSpec
  readonly storedAs: ManifestType
  readonly byteLength: number
}

interface Group {
  readonly where: string
  readonly paths: readonly string[]
  readonly entries: readonly Entry[]
}

/** A place in the bytes of a group: those of its files, one after the other. */
interface Place {
  readonly begin: number
  readonly end: number
}

type Shard = Place & { readonly path: string }
type Span = Place & Pick<Entry, 'spec' | 'storedAs'>

/**
 * The files with the weights of a manifest, seen from its folder. `path` is how messages call it. Throws
 * {@link ModelFormatError}.
 */
export function manifestPaths(json: unknown, path: string): string[] {
  return parseManifest(json, path).flatMap(({ paths }) => paths)
}

function parseManifest(json: unknown, path: string): readonly Group[] {
  const where = Array.isArray(json) ? path : `"weightsManifest" of ${path}`
  const groups = Array.isArray(json) ? json : asObject(json, path)['weightsManifest']
  const parsed = list(groups, where).map((group, i) => parseGroup(group, `group ${i} of ${where}`))
  checkNames(parsed, path)
  return parsed
}

function parseGroup(group: unknown, where: string): Group {
  const { paths, weights } = asObject(group, where)
  const names = list(paths, `"paths" of ${where}`).map((path) => {
    if (typeof path !== 'string') throw new ModelFormatError(`${where} names the file ${describe(path)}; expected text`)
    checkFileName(path, where)
    return path
  })
  const entries = list(weights, `"weights" of ${where}`).map((entry, i) => parseEntry(entry, `weight ${i} of ${where}`))
  return { where, paths: names, entries }
}

function parseEntry(entry: unknown, where: string): Entry {
  const { name, shape, dtype, quantization } = asObject(entry, where)
  if (typeof name !== 'string') throw new ModelFormatError(`the name of ${where} is ${describe(name)}; expected text`)
  const tensor = `tensor ${quote(name)}, ${where},`
  if (!isWholeNumbers(shape)) {
    throw new ModelFormatError(`${tensor} has the shape ${quote(shape)}; expected a list of whole numbers`)
  }
  if (dtype !== 'float32') {
    throw new ModelFormatError(`${tensor} has the type ${quote(dtype)}; weights are read from "float32"`)
  }
  const quantized = quantization === undefined ? undefined : parseQuantization(quantization, tensor)
  const storedAs = quantized?.dtype ?? dtype
  const spec = { name, shape, dtype, ...(quantized && { quantization: quantized }) } as const
  return { spec, storedAs, byteLength: claimedSize(shape, bytesOf[storedAs]) }
}

function parseQuantization(value: unknown, tensor: string): NonNullable<WeightSpec['quantization']> {
  if (!isObject(value)) {
    throw new ModelFormatError(`${tensor} has the quantization ${describe(value)}; expected dtype, scale and min`)
  }
  const { dtype, scale, min } = value
  if (dtype === 'float16') return { dtype }
  if (dtype !== 'uint8' && dtype !== 'uint16') {
    throw new ModelFormatError(`${tensor} is quantised to ${quote(dtype)}; expected "uint8", "uint16" or "float16"`)
  }
  const largest = dtype === 'uint8' ? 255 : 65535
  const ends = typeof scale === 'number' && typeof min === 'number' ? [min, scale, scale * largest + min] : []
  if (typeof scale !== 'number' || typeof min !== 'number' || !ends.every((end) => Number.isFinite(Math.fround(end)))) {
    throw new ModelFormatError(
      `${tensor} is quantised with scale ${quote(scale)} and min ${quote(min)}; expected numbers with values that f32 can hold`,
    )
  }
  return { dtype, scale, min }
}

/** Throws for a tensor or a file that is named twice. */
function checkNames(groups: readonly Group[], manifest: string): void {
  const [tensors, paths] = [new Set<string>(), new Set<string>()]
  for (const group of groups) {
    for (const { spec } of group.entries) {
      if (tensors.has(spec.name)) throw new ModelFormatError(`${manifest} has two tensors named ${quote(spec.name)}`)
      tensors.add(spec.name)
    }
    for (const path of group.paths) {
      if (paths.has(path)) throw new ModelFormatError(`${manifest} names the file ${quote(path)} twice; expected once`)
      paths.add(path)
    }
  }
}

/** Finds the places of a group's files and tensors; together they must be equally long. */
async function layOut(
  files: ModelFiles,
  { where, paths, entries }: Group,
): Promise<{ shards: readonly Shard[]; spans: readonly Span[] }> {
  const shards: Shard[] = []
  let held = 0
  for (const path of paths) {
    const source = await openRequired(files, path, 'holds weights')
    await source.close()
    shards.push({ path, begin: held, end: held + source.size })
    held += source.size
  }
  const spans: Span[] = []
  let claimed = 0
  for (const { spec, storedAs, byteLength } of entries) {
    spans.push({ spec, storedAs, begin: claimed, end: claimed + byteLength })
    claimed += byteLength
  }
  if (claimed !== held) {
    throw new ModelFormatError(
      `the tensors of ${where} take ${claimed} bytes by their shapes and types, but its files ${quote(paths)} hold ${held}: they are truncated or of another model`,
    )
  }
  return { shards, spans }
}

async function readSpan(files: ModelFiles, shards: readonly Shard[], { begin, end }: Place): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = []
  for (const shard of shards) {
    const [from, to] = [Math.max(begin, shard.begin), Math.min(end, shard.end)]
    if (from >= to) continue
    const source = await openRequired(files, shard.path, 'holds weights')
    try {
      pieces.push(await source.read(from - shard.begin, to - from))
    } finally {
      await source.close()
    }
  }
  return pieces
}

function list(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new ModelFormatError(`${where} is ${describe(value)}; expected a list`)
  return value
}
