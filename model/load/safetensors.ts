// safetensors: a length, a JSON header, then the tensors' bytes without gaps (github.com/huggingface/safetensors). The
// header comes from strangers: everything in it is checked against the file's size before anything is read.

import type { StoredDType } from '../../engine/dtype.ts'
import { DTypeError, ModelFormatError } from '../../engine/errors.ts'
import { type ByteSource, checkFileName, type ModelFiles, openRequired, startBytes } from './files.ts'
import { asObject, describe, isObject, parseJson, quote, readJson } from './json.ts'
import { claimedSize, isWholeNumbers } from './shape.ts'

/** Bits of one value, by the format's names of its types. */
const bitsOf: ReadonlyMap<unknown, number> = new Map([
  ['BOOL', 8],
  ['U8', 8],
  ['I8', 8],
  ['F8_E4M3', 8],
  ['F8_E5M2', 8],
  ['F8_E8M0', 8],
  ['F6_E2M3', 6],
  ['F6_E3M2', 6],
  ['F4', 4],
  ['U16', 16],
  ['I16', 16],
  ['F16', 16],
  ['BF16', 16],
  ['U32', 32],
  ['I32', 32],
  ['F32', 32],
  ['U64', 64],
  ['I64', 64],
  ['F64', 64],
  ['C64', 64],
])

const weightTypes: ReadonlyMap<string, StoredDType> = new Map([
  ['F32', 'f32'],
  ['F16', 'f16'],
  ['BF16', 'bf16'],
])

/** Bytes; the official reader's limit. */
const largestHeader = 100_000_000

/** One tensor of a file, not read yet. */
export interface SafetensorsTensor {
  readonly name: string
  /** As the format calls it: `F32`, `I64`, ... */
  readonly dtype: string
  readonly shape: readonly number[]
  readonly byteLength: number
  /** Reads its bytes, row-major and little-endian. */
  read(): Promise<Uint8Array>
  /** Reads the first `startBytes` of them at most. */
  start(): Promise<Uint8Array>
}

export interface SafetensorsFile {
  readonly metadata: ReadonlyMap<string, string>
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>
}

/**
 * Reads the header of a safetensors file, as strictly as the official reader: a known type and whole dimensions for every
 * tensor, and bytes that tile the data without holes or overlaps. Throws {@link ModelFormatError}. The source must stay
 * open as long as tensors are read.
 */
export async function parseSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  const { name: file, size } = source
  if (size < 8)
    throw new ModelFormatError(`${file} has ${size} bytes; a safetensors file begins with a length of 8 bytes`)
  const prefix = await source.read(0, 8)
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true))
  if (length > largestHeader || length > size - 8) {
    throw new ModelFormatError(
      `${file} claims a header of ${length} bytes; it has ${size - 8} left, and a header has ${largestHeader} at most: it is damaged, truncated or no safetensors file`,
    )
  }
  const bytes = await source.read(8, length)
  if (bytes[0] !== 0x7b)
    throw new ModelFormatError(`the header of ${file} does not begin with "{": it is no safetensors file`)
  const header = asObject(parseJson(bytes, `the header of ${file}`), `the header of ${file}`)

  const dataStart = 8 + length
  const spans: Span[] = []
  let metadata: ReadonlyMap<string, string> = new Map()
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') metadata = parseMetadata(entry, file)
    else spans.push(parseEntry(name, entry, file))
  }
  checkTiling(spans, { file, dataSize: size - dataStart })
  const tensors = new Map<string, SafetensorsTensor>()
  for (const { name, dtype, shape, begin, end } of spans) {
    const byteLength = end - begin
    const read = () => source.read(dataStart + begin, byteLength)
    const start = () => source.read(dataStart + begin, Math.min(byteLength, startBytes))
    tensors.set(name, { name, dtype, shape, byteLength, read, start })
  }
  return { metadata, tensors }
}

/** The tensors of a model, whichever of its files they are in. Those files stay open until `close`. */
export interface OpenSafetensors {
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>
  close(): Promise<void>
}

/** Opens a model in one safetensors file. Throws {@link ModelFormatError} and {@link NotFoundError}. */
export async function openSafetensors(files: ModelFiles, path: string): Promise<OpenSafetensors> {
  const source = await openRequired(files, path, 'holds its weights')
  try {
    const { tensors } = await parseSafetensors(source)
    return { tensors, close: () => source.close() }
  } catch (error) {
    await source.close()
    throw error
  }
}

/**
 * Opens a model in several safetensors files, by its index (`model.safetensors.index.json`), which says which file each
 * tensor is in. Throws {@link ModelFormatError} for an index that does not fit the files or that leads out of the folder,
 * and {@link NotFoundError} for a file that is missing.
 */
export async function openShardedSafetensors(files: ModelFiles, indexPath: string): Promise<OpenSafetensors> {
  const index = asObject(await readJson(files, indexPath), indexPath)
  const weightMap = Object.entries(asObject(index['weight_map'], `"weight_map" of ${indexPath}`))
  const shards = new Map<string, OpenSafetensors>()
  const close = async (): Promise<void> => {
    for (const shard of shards.values()) await shard.close()
  }
  try {
    const tensors = new Map<string, SafetensorsTensor>()
    for (const [name, path] of weightMap) {
      if (typeof path !== 'string') {
        throw new ModelFormatError(`${indexPath} puts tensor ${quote(name)} in ${describe(path)}; expected a file name`)
      }
      checkFileName(path, `${indexPath}, for tensor ${quote(name)},`)
      const shard = shards.get(path) ?? (await openSafetensors(files, path))
      shards.set(path, shard)
      const tensor = shard.tensors.get(name)
      if (!tensor)
        throw new ModelFormatError(`${indexPath} puts tensor ${quote(name)} in ${path}, which does not have it`)
      tensors.set(name, tensor)
    }
    return { tensors, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The engine's name of a tensor's type. Throws {@link DTypeError} for a type that weights do not have. */
export function weightType({ name, dtype }: SafetensorsTensor): StoredDType {
  const type = weightTypes.get(dtype)
  if (type) return type
  const supported = [...weightTypes.keys()].join(', ')
  throw new DTypeError(`tensor ${quote(name)} is ${dtype}; weights are read from ${supported}: convert the checkpoint`)
}

/** A tensor's place in the data, in bytes. */
interface Span {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

function parseMetadata(entry: unknown, file: string): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>()
  for (const [key, value] of Object.entries(asObject(entry, `"__metadata__" of ${file}`))) {
    if (typeof value !== 'string') {
      throw new ModelFormatError(`"__metadata__" of ${file} has ${quote(key)}: ${describe(value)}; expected text`)
    }
    metadata.set(key, value)
  }
  return metadata
}

function parseEntry(name: string, entry: unknown, file: string): Span {
  const where = `tensor ${quote(name)} of ${file}`
  if (!isObject(entry))
    throw new ModelFormatError(`${where} is ${describe(entry)}; expected its type, shape and offsets`)
  const { dtype, shape, data_offsets: offsets } = entry
  const bits = bitsOf.get(dtype)
  if (typeof dtype !== 'string' || bits === undefined) {
    throw new ModelFormatError(`${where} has the type ${quote(dtype)}, which safetensors does not know`)
  }
  if (!isWholeNumbers(shape)) {
    throw new ModelFormatError(`${where} has the shape ${quote(shape)}; expected a list of whole numbers`)
  }
  if (!isWholeNumbers(offsets) || offsets.length !== 2) {
    throw new ModelFormatError(`${where} has the data_offsets ${quote(offsets)}; expected [begin, end] in bytes`)
  }
  const [begin, end] = [offsets[0]!, offsets[1]!]
  const bytes = claimedSize(shape, bits) / 8
  if (bytes !== end - begin) {
    throw new ModelFormatError(
      `${where} is ${dtype} ${quote(shape)}, which is ${bytes} bytes, but its data_offsets ${quote(offsets)} hold ${end - begin}`,
    )
  }
  return { name, dtype, shape, begin, end }
}

function checkTiling(spans: Span[], { file, dataSize }: { file: string; dataSize: number }): void {
  spans.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let at = 0
  for (const { name, begin, end } of spans) {
    if (begin !== at) {
      throw new ModelFormatError(
        `tensor ${quote(name)} of ${file} begins at byte ${begin} of the data; expected ${at}, since tensors neither overlap nor leave holes`,
      )
    }
    at = end
  }
  if (at !== dataSize) {
    throw new ModelFormatError(
      `the tensors of ${file} take ${at} bytes, but it holds ${dataSize}: it is truncated or damaged`,
    )
  }
}
