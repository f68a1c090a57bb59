// Number types to number types: the blocks of model files to f32, and f32 to the weight types that kernels take. Bytes
// are little-endian, as files are and as the machines are that run JavaScript.

import { decodeBlocks, encodeBlocks, repackAsQ8, type ScaledBytesDType } from './blocks.ts'
import { type BlockDType, blockLayouts, type PackedDType, type StoredDType, type WeightDType } from './dtype.ts'
import { DTypeError, NumericError, ShapeError } from './errors.ts'
import { floatToHalf, halfTable } from './half.ts'

/** Types that values can be rounded to. */
export type EncodedDType = WeightDType | 'f16'

type ToFloats = (bytes: Uint8Array) => Float32Array
/** `first`: how many values came before, for messages. */
type FromFloats = (values: Float32Array, first: number) => Uint8Array

const toFloats: Readonly<Record<StoredDType, ToFloats>> = {
  f32: fromF32,
  f16: fromF16,
  bf16: fromBF16,
  q8_0: fromBlocks('q8_0'),
  q4_0: fromBlocks('q4_0'),
  q4_1: fromBlocks('q4_1'),
  q5_0: fromBlocks('q5_0'),
  q5_1: fromBlocks('q5_1'),
  q2_k: fromBlocks('q2_k'),
  q3_k: fromBlocks('q3_k'),
  q4_k: fromBlocks('q4_k'),
  q5_k: fromBlocks('q5_k'),
  q6_k: fromBlocks('q6_k'),
  iq4_nl: fromBlocks('iq4_nl'),
  iq4_xs: fromBlocks('iq4_xs'),
  mxfp4: fromBlocks('mxfp4'),
}
const fromFloats: Readonly<Record<EncodedDType, FromFloats>> = {
  f32: bytesOf,
  f16: toF16,
  bf16: toBF16,
  q8_0: (values, first) => encodeBlocks('q8_0', values, first),
  q4_0: (values, first) => encodeBlocks('q4_0', values, first),
  q4_1: (values, first) => encodeBlocks('q4_1', values, first),
}

/** The types that hold every value of a stored type, whatever it is. */
export const lossless: Readonly<Record<StoredDType, readonly WeightDType[]>> = {
  f32: ['f32'],
  f16: ['f32'],
  bf16: ['bf16', 'f32'],
  q8_0: ['q8_0', 'f32'],
  q4_0: ['q4_0', 'q8_0', 'f32'],
  q4_1: ['q4_1', 'f32'],
  q5_0: ['q8_0', 'f32'],
  q5_1: ['f32'],
  q2_k: ['f32'],
  q3_k: ['f32'],
  q4_k: ['f32'],
  q5_k: ['f32'],
  q6_k: ['f32'],
  iq4_nl: ['q8_0', 'f32'],
  iq4_xs: ['f32'],
  mxfp4: ['f32'],
}

/**
 * The values of GGUF block bytes, in order, exactly as ggml has them. `type` is GGUF's name of the type, in upper or lower
 * case: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS or MXFP4. Throws
 * {@link DTypeError} for another type, {@link ShapeError} for bytes that are no whole number of blocks.
 */
export function dequantize(type: string, bytes: Uint8Array): Float32Array {
  const dtype = storedType(type)
  if (!dtype) {
    throw new DTypeError(`cannot dequantise "${type}": supported are ${storedTypes.join(', ').toUpperCase()}`)
  }
  return widen(bytes, dtype)
}

/** The types that are read, by name. */
export const storedTypes: readonly string[] = Object.keys(toFloats)

/** The type that GGUF calls so, in upper or lower case; `undefined` for one that is not read. */
export function storedType(name: string): StoredDType | undefined {
  const dtype = name.toLowerCase()
  return Object.hasOwn(toFloats, dtype) ? (dtype as StoredDType) : undefined // a key of that table
}

/** Values that are converted at a time, so that the f32 between two types takes little memory. A multiple of every block. */
const atOnce = 2 ** 16

/**
 * Weights of one type as the bytes of another. Exact to the types that `lossless` names. Others go through f32, and are
 * rounded: to f16 and bf16 to nearest, ties to even, NaN kept; to block types as ggml's reference quantisers do, in runs of
 * 32 values. `from` equal to `to` gives `bytes` itself. Throws {@link ShapeError} for bytes that are no whole number of
 * blocks of either type, and {@link NumericError} for values that f16 or blocks have no room for.
 */
export function convert(bytes: Uint8Array, from: StoredDType, to: EncodedDType): Uint8Array {
  if (from === to) return bytes
  const [source, target] = [blockLayouts[from], blockLayouts[to]]
  const count = (bytes.length / source.blockBytes) * source.blockSize
  const out = new Uint8Array(Math.ceil(count / target.blockSize) * target.blockBytes)
  let at = 0
  for (const piece of convertInPieces(bytes, from, to)) {
    if (piece.length === out.length) return piece
    out.set(piece, at)
    at += piece.length
  }
  return out
}

/**
 * {@link convert}, some values at a time; between equal types, whatever they are, the pieces are parts of `bytes`. Throws
 * {@link DTypeError} for a type that values are only read from.
 */
export function* convertInPieces(bytes: Uint8Array, from: StoredDType, to: StoredDType): Generator<Uint8Array> {
  checkWhole(bytes, from)
  const { blockSize, blockBytes } = blockLayouts[from]
  const pieceBytes = (atOnce / blockSize) * blockBytes
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    const piece = bytes.subarray(start, start + pieceBytes)
    yield convertPiece(piece, { from, to, first: (start / blockBytes) * blockSize })
  }
}

function convertPiece(
  bytes: Uint8Array,
  { from, to, first }: { from: StoredDType; to: StoredDType; first: number },
): Uint8Array {
  if (from === to) return bytes
  if (to === 'q8_0' && isScaledBytes(from)) return repackAsQ8(from, bytes)
  if (isEncoded(to)) return fromFloats[to](toFloats[from](bytes), first)
  throw new DTypeError(`cannot convert ${from} to ${to}: values are converted to ${Object.keys(fromFloats).join(', ')}`)
}

function isEncoded(dtype: StoredDType): dtype is EncodedDType {
  return Object.hasOwn(fromFloats, dtype)
}

function isScaledBytes(dtype: StoredDType): dtype is ScaledBytesDType {
  return dtype === 'q4_0' || dtype === 'q5_0' || dtype === 'iq4_nl'
}

function widen(bytes: Uint8Array, from: StoredDType): Float32Array {
  checkWhole(bytes, from)
  return toFloats[from](bytes)
}

function checkWhole(bytes: Uint8Array, from: StoredDType): void {
  const { blockSize, blockBytes } = blockLayouts[from]
  if (bytes.length % blockBytes !== 0) {
    const values = blockSize === 1 ? 'values' : `blocks of ${blockSize} values`
    throw new ShapeError(`${bytes.length} bytes are no whole number of ${from} ${values}, ${blockBytes} bytes each`)
  }
}

// Bits are moved as integers, so that no NaN changes on its way through a JavaScript number.

/** The bytes at an address that typed arrays accept; a copy only where theirs is not. */
function aligned(bytes: Uint8Array, size: 2 | 4): Uint8Array {
  return bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes)
}

function words16(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset, byteLength } = aligned(bytes, 2)
  return new Uint16Array(buffer, byteOffset, byteLength / 2)
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

function fromF32(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer)
}

function fromF16(bytes: Uint8Array): Float32Array {
  const source = words16(bytes)
  const table = new Uint32Array(halfTable().buffer)
  const out = new Uint32Array(source.length)
  for (let i = 0; i < out.length; i++) out[i] = table[source[i]!]!
  return new Float32Array(out.buffer)
}

function fromBF16(bytes: Uint8Array): Float32Array {
  const source = words16(bytes)
  const out = new Uint32Array(source.length)
  for (let i = 0; i < out.length; i++) out[i] = source[i]! << 16
  return new Float32Array(out.buffer)
}

/** Of whole blocks. */
function fromBlocks(dtype: BlockDType | PackedDType): ToFloats {
  const { blockBytes, blockSize } = blockLayouts[dtype]
  return (bytes) => {
    const out = new Float32Array((bytes.length / blockBytes) * blockSize)
    decodeBlocks(dtype, bytes, out)
    return out
  }
}

function toF16(values: Float32Array, first: number): Uint8Array {
  const out = new Uint16Array(values.length)
  for (let i = 0; i < out.length; i++) {
    const value = values[i]!
    const half = Number.isNaN(value) ? 0x7e00 : floatToHalf(value)
    if ((half & 0x7fff) === 0x7c00 && Number.isFinite(value)) {
      throw new NumericError(`f16 holds values to 65504; value ${first + i} is ${value}`)
    }
    out[i] = half
  }
  return new Uint8Array(out.buffer)
}

function toBF16(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const out = new Uint16Array(values.length)
  for (let i = 0; i < out.length; i++) {
    const word = bits[i]!
    const notANumber = (word & 0x7fffffff) > 0x7f800000
    out[i] = notANumber ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
  }
  return new Uint8Array(out.buffer)
}
