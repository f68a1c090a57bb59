// Number types to number types: the blocks of model files to f32, and f32 to the weight types that kernels take. Bytes
// are little-endian, as files are and as the machines are that run JavaScript.

import { decodeBlocks, encodeBlocks } from './blocks.ts'
import { type BlockDType, blockLayouts, type StoredDType, type WeightDType } from './dtype.ts'
import { DTypeError, ShapeError } from './errors.ts'
import { halfTable } from './half.ts'

type ToFloats = (bytes: Uint8Array) => Float32Array
type FromFloats = (values: Float32Array) => Uint8Array

const toFloats: Readonly<Record<StoredDType, ToFloats>> = {
  f32: fromF32,
  f16: fromF16,
  bf16: fromBF16,
  q8_0: fromBlocks('q8_0'),
  q4_0: fromBlocks('q4_0'),
  q4_1: fromBlocks('q4_1'),
}
const fromFloats: Readonly<Record<WeightDType, FromFloats>> = {
  f32: bytesOf,
  bf16: toBF16,
  q8_0: (values) => encodeBlocks('q8_0', values),
  q4_0: (values) => encodeBlocks('q4_0', values),
  q4_1: (values) => encodeBlocks('q4_1', values),
}

/**
 * The values of GGUF block bytes, in order. `type` is GGUF's name of the type, in upper or lower case: F32, F16, BF16,
 * Q8_0, Q4_0 or Q4_1. Throws {@link DTypeError} for another type, {@link ShapeError} for bytes that are no whole number of blocks.
 */
export function dequantize(type: string, bytes: Uint8Array): Float32Array {
  const dtype = type.toLowerCase()
  if (!isStored(dtype)) {
    throw new DTypeError(`cannot dequantise "${type}": supported are ${Object.keys(toFloats).join(', ').toUpperCase()}`)
  }
  return widen(bytes, dtype)
}

/**
 * Weights of one type as the bytes of another. To f32 is exact; others go through f32, and are rounded: to bf16 to
 * nearest, ties to even, NaN kept; to block types as ggml's reference quantisers do, in runs of 32 values. `from` equal to
 * `to` gives `bytes` itself. Throws {@link ShapeError} for bytes that are no whole number of blocks of either type, and
 * `NumericError` for values that blocks have no room for.
 */
export function convert(bytes: Uint8Array, from: StoredDType, to: WeightDType): Uint8Array {
  if (from === to) return bytes
  return fromFloats[to](widen(bytes, from))
}

function isStored(dtype: string): dtype is StoredDType {
  return Object.hasOwn(toFloats, dtype)
}

function widen(bytes: Uint8Array, from: StoredDType): Float32Array {
  const { blockSize, blockBytes } = blockLayouts[from]
  if (bytes.length % blockBytes !== 0) {
    const values = blockSize === 1 ? 'values' : `blocks of ${blockSize} values`
    throw new ShapeError(`${bytes.length} bytes are no whole number of ${from} ${values}, ${blockBytes} bytes each`)
  }
  return toFloats[from](bytes)
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
function fromBlocks(dtype: BlockDType): ToFloats {
  const { blockBytes } = blockLayouts[dtype]
  return (bytes) => {
    const out = new Float32Array((bytes.length / blockBytes) * 32)
    decodeBlocks(dtype, bytes, out)
    return out
  }
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
