// GGUF: metadata, tensor infos, then the tensors' bytes (ggml-org/ggml, docs/gguf.md). The file comes from strangers and may
// be larger than memory: its head is read in pieces, every count is checked against the bytes that are left, and arrays
// (a vocabulary has a hundred thousand texts) are passed over until somebody asks for one.

import { createReader, type Reader } from './byte-reader.ts'
import { type ByteSource, startBytes } from './files.ts'
import { quote } from './json.ts'

/** Name, values and bytes of a block, by the number of a ggml type. */
export const ggufTypes: ReadonlyMap<number, readonly [name: string, blockSize: number, blockBytes: number]> = new Map([
  [0, ['F32', 1, 4]],
  [1, ['F16', 1, 2]],
  [2, ['Q4_0', 32, 18]],
  [3, ['Q4_1', 32, 20]],
  [6, ['Q5_0', 32, 22]],
  [7, ['Q5_1', 32, 24]],
  [8, ['Q8_0', 32, 34]],
  [9, ['Q8_1', 32, 36]],
  [10, ['Q2_K', 256, 84]],
  [11, ['Q3_K', 256, 110]],
  [12, ['Q4_K', 256, 144]],
  [13, ['Q5_K', 256, 176]],
  [14, ['Q6_K', 256, 210]],
  [15, ['Q8_K', 256, 292]],
  [16, ['IQ2_XXS', 256, 66]],
  [17, ['IQ2_XS', 256, 74]],
  [18, ['IQ3_XXS', 256, 98]],
  [19, ['IQ1_S', 256, 50]],
  [20, ['IQ4_NL', 32, 18]],
  [21, ['IQ3_S', 256, 110]],
  [22, ['IQ2_S', 256, 82]],
  [23, ['IQ4_XS', 256, 136]],
  [24, ['I8', 1, 1]],
  [25, ['I16', 1, 2]],
  [26, ['I32', 1, 4]],
  [27, ['I64', 1, 8]],
  [28, ['F64', 1, 8]],
  [29, ['IQ1_M', 256, 56]],
  [30, ['BF16', 1, 2]],
  [34, ['TQ1_0', 256, 54]],
  [35, ['TQ2_0', 256, 66]],
  [39, ['MXFP4', 32, 17]],
])

/** The numbers of types of metadata values, as far as they are written. */
export const valueTypes = { u32: 4, i32: 5, f32: 6, bool: 7, text: 8, array: 9 } as const

/** Bytes of a metadata value, by the number of its type: u8, i8, u16, i16, u32, i32, f32, bool; u64, i64, f64. */
const scalarBytes: ReadonlyMap<number, number> = new Map([
  [0, 1],
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 4],
  [5, 4],
  [6, 4],
  [7, 1],
  [10, 8],
  [11, 8],
  [12, 8],
])
const { text: textType, array: arrayType } = valueTypes

/** The format's own limit. */
const mostAxes = 4

/** What is believed: well above any model, and little enough that what is kept of each takes less than 64 MiB. */
const most = { values: 2 ** 16, tensors: 2 ** 17, items: 2 ** 22 } as const

export type GgufScalar = number | boolean | string

/** An array of the metadata, not read yet. */
export interface GgufArray {
  readonly length: number
  /** Throws {@link ModelFormatError}. The source has to be open. */
  read(): Promise<readonly GgufScalar[]>
}

export interface GgufTensor {
  readonly name: string
  /** As ggml calls it: `F32`, `Q4_K`, ... */
  readonly type: string
  /** Slowest axis first, as everywhere here; the file has it the other way round. */
  readonly shape: readonly number[]
  readonly byteLength: number
  /** Reads its bytes. */
  read(): Promise<Uint8Array>
  /** Reads the first `startBytes` of them at most. */
  start(): Promise<Uint8Array>
}

export interface GgufFile {
  readonly metadata: ReadonlyMap<string, GgufScalar | GgufArray>
  readonly tensors: ReadonlyMap<string, GgufTensor>
}

export interface ParsedGguf extends GgufFile {
  /** A value of the metadata as the file has it: the number of its type, 4 bytes, then its own. The source has to be open. */
  rawValue(key: string): Promise<Uint8Array>
}

/**
 * Reads the head of a GGUF file of version 2 or 3, little-endian, as strictly as ggml does: known types, and tensors one
 * after the other without holes but for alignment. Throws {@link ModelFormatError}. The source has to stay open as long as
 * tensors and arrays are read.
 */
export async function parseGguf(source: ByteSource): Promise<ParsedGguf> {
  const head = createReader(source)
  const counts = await readCounts(head)
  const metadata = new Map<string, GgufScalar | GgufArray>()
  const places = new Map<string, { from: number; to: number }>()
  for (let i = 0; i < counts.values; i++) {
    const key = await head.text(`the name of metadata ${i}`)
    const where = `metadata ${quote(key)}`
    if (metadata.has(key)) throw head.error(`${where} is there twice`)
    const from = head.at()
    metadata.set(key, await readValue(head, where))
    places.set(key, { from, to: head.at() })
  }
  const infos: TensorInfo[] = []
  for (let i = 0; i < counts.tensors; i++) infos.push(await readInfo(head, i))

  const alignment = metadata.get('general.alignment') ?? 32
  if (
    typeof alignment !== 'number' ||
    !(alignment >= 1 && alignment <= 2 ** 20) ||
    !Number.isInteger(Math.log2(alignment))
  )
    throw head.error(`"general.alignment" is ${quote(alignment)}; expected a power of two`)
  const padded = (bytes: number): number => Math.ceil(bytes / alignment) * alignment
  const start = padded(head.at())
  const tensors = new Map<string, GgufTensor>()
  let next = 0
  for (const { name, type, shape, byteLength, offset } of infos) {
    const where = `tensor ${quote(name)}`
    if (tensors.has(name)) throw head.error(`${where} is there twice`)
    if (offset !== next)
      throw head.error(`${where} is at ${offset}; expected it behind the tensors before it, at ${next}`)
    if (start + offset + byteLength > source.size) {
      throw head.error(`${where} ends at byte ${start + offset + byteLength} of ${source.size}: the file is truncated`)
    }
    const first = (bytes: number) => source.read(start + offset, Math.min(bytes, byteLength))
    const read = () => first(byteLength)
    tensors.set(name, { name, type, shape, byteLength, read, start: () => first(startBytes) })
    next = padded(offset + byteLength)
  }
  const rawValue = (key: string): Promise<Uint8Array> => {
    const { from, to } = places.get(key)!
    return source.read(from, to - from)
  }
  return { metadata, tensors, rawValue }
}

async function readCounts(head: Reader): Promise<{ tensors: number; values: number }> {
  const magic = await head.number(4)
  if (magic !== 0x46554747) throw head.error('it does not begin with "GGUF": it is no GGUF file')
  const version = await head.number(4)
  if (version !== 2 && version !== 3) {
    const isBig = version !== 0 && version % 65536 === 0
    throw head.error(
      `its version is ${version}; expected 2 or 3${isBig ? ', little-endian: convert the model anew' : ''}`,
    )
  }
  const tensors = await head.size('the number of tensors', 24)
  const values = await head.size('the number of metadata values', 13)
  if (tensors > most.tensors || values > most.values) {
    throw head.error(
      `it has ${tensors} tensors and ${values} metadata values; at most ${most.tensors} and ${most.values} are read`,
    )
  }
  return { tensors, values }
}

interface TensorInfo {
  readonly name: string
  readonly type: string
  readonly shape: readonly number[]
  readonly byteLength: number
  readonly offset: number
}

async function readInfo(head: Reader, index: number): Promise<TensorInfo> {
  const name = await head.text(`the name of tensor ${index}`)
  const where = `tensor ${quote(name)}`
  const axes = await head.number(4)
  if (axes < 1 || axes > mostAxes) throw head.error(`${where} has ${axes} axes; expected 1 to ${mostAxes}`)
  const shape: number[] = []
  for (let axis = 0; axis < axes; axis++) shape.unshift(await head.size(`a dimension of ${where}`))
  const number = await head.number(4)
  const type = ggufTypes.get(number)
  if (!type) throw head.error(`${where} has type ${number}, which is not known`)
  const offset = await head.size(`the offset of ${where}`)
  const [typeName, blockSize, blockBytes] = type
  const row = shape.at(-1)!
  const count = shape.reduce((product, dimension) => product * dimension, 1)
  if (row % blockSize !== 0) {
    throw head.error(`${where} has rows of ${row} values; ${typeName} packs ${blockSize} into a block`)
  }
  const byteLength = (count / blockSize) * blockBytes
  if (!Number.isSafeInteger(byteLength)) throw head.error(`${where} is [${shape.join(', ')}], more than can be counted`)
  return { name, type: typeName, shape, byteLength, offset }
}

async function readValue(head: Reader, where: string): Promise<GgufScalar | GgufArray> {
  const type = await head.number(4)
  return type === arrayType ? readArray(head, where) : readScalar(head, { type, where })
}

async function readScalar(head: Reader, { type, where }: { type: number; where: string }): Promise<GgufScalar> {
  if (type === textType) return head.text(where)
  const bytes = scalarBytes.get(type)
  if (bytes === undefined) throw head.error(`${where} has type ${type}; expected 0 to 12`)
  return scalarAt(await head.bytes(bytes), 0, type)
}

function scalarAt(view: DataView, at: number, type: number): number | boolean {
  switch (type) {
    case 0:
      return view.getUint8(at)
    case 1:
      return view.getInt8(at)
    case 2:
      return view.getUint16(at, true)
    case 3:
      return view.getInt16(at, true)
    case 4:
      return view.getUint32(at, true)
    case 5:
      return view.getInt32(at, true)
    case 6:
      return view.getFloat32(at, true)
    case 7:
      return view.getUint8(at) !== 0
    case 10:
      return Number(view.getBigUint64(at, true))
    case 11:
      return Number(view.getBigInt64(at, true))
    default:
      return view.getFloat64(at, true)
  }
}

async function readArray(head: Reader, where: string): Promise<GgufArray> {
  const type = await head.number(4)
  if (type === arrayType) throw head.error(`${where} is an array of arrays, which no model has`)
  const bytes = type === textType ? 8 : scalarBytes.get(type)
  if (bytes === undefined) throw head.error(`${where} is an array of type ${type}; expected 0 to 12`)
  const length = await head.size(`the length of ${where}`, bytes)
  const start = head.at()
  if (type === textType) await head.skipTexts(length, where)
  else head.skip(length * bytes)
  const end = head.at()
  return {
    length,
    async read() {
      if (length > most.items) throw head.error(`${where} has ${length} items; at most ${most.items} are read`)
      const view = await head.again(start, end)
      return type === textType
        ? textsIn(view, length)
        : Array.from({ length }, (_, i) => scalarAt(view, i * bytes, type))
    },
  }
}

/** Lengths have been checked when these texts were passed over. */
function textsIn(view: DataView, count: number): string[] {
  const decoder = new TextDecoder()
  let at = 0
  return Array.from({ length: count }, () => {
    const length = Number(view.getBigUint64(at, true))
    const text = decoder.decode(new Uint8Array(view.buffer, view.byteOffset + at + 8, length))
    at += 8 + length
    return text
  })
}
