// Number types to number types: the blocks of model files to f32, and f32 to the weight types that kernels take. Bytes
// are little-endian, as files are and as the machines are that run JavaScript.

import { blockLayouts, type StoredDType, type WeightDType } from './dtype.ts'
import { DTypeError, NumericError, ShapeError } from './errors.ts'
import { halfToFloat } from './half.ts'

type ToFloats = (bytes: Uint8Array) => Float32Array
type FromFloats = (values: Float32Array) => Uint8Array

const toFloats: Readonly<Record<StoredDType, ToFloats>> = { f32: fromF32, f16: fromF16, bf16: fromBF16, q8_0: fromQ8 }
const fromFloats: Readonly<Record<WeightDType, FromFloats>> = { f32: bytesOf, bf16: toBF16, q8_0: toQ8 }

/**
 * The values of GGUF block bytes, in order. `type` is GGUF's name of the type, in upper or lower case: F32, F16, BF16 or
 * Q8_0. Throws {@link DTypeError} for another type, {@link ShapeError} for bytes that are no whole number of blocks.
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
 * nearest, ties to even, NaN kept; to q8_0 as ggml's reference quantiser does, in runs of 32 values. `from` equal to `to`
 * gives `bytes` itself. Throws {@link ShapeError} for bytes that are no whole number of blocks of either type, and
 * {@link NumericError} for values that q8_0 has no room for.
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

let halves: Uint32Array | undefined

/** The f32 bits of every f16, 256 KiB, made when first needed. */
function halfTable(): Uint32Array {
  halves ??= new Uint32Array(Float32Array.from({ length: 65536 }, (_, bits) => halfToFloat(bits)).buffer)
  return halves
}

function fromF16(bytes: Uint8Array): Float32Array {
  const source = words16(bytes)
  const table = halfTable()
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

function fromQ8(bytes: Uint8Array): Float32Array {
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const blocks = bytes.length / 34
  const out = new Float32Array(blocks * 32)
  const scale = new Float32Array(halfTable().buffer)
  for (let block = 0; block < blocks; block++) {
    const at = block * 34
    const d = scale[bytes[at]! | (bytes[at + 1]! << 8)]!
    for (let i = 0; i < 32; i++) out[block * 32 + i] = d * signed[at + 2 + i]!
  }
  return out
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

/** ggml's quantize_row_q8_0_ref: scale = max|x| / 127 as f16, bytes = x / scale rounded half away from zero, in f32. */
function toQ8(values: Float32Array): Uint8Array {
  if (values.length % 32 !== 0) {
    throw new ShapeError(`q8_0 packs values in blocks of 32, and ${values.length} are no whole number of blocks`)
  }
  const out = new Uint8Array((values.length / 32) * 34)
  for (let from = 0, at = 0; from < values.length; from += 32, at += 34) {
    let largest = 0
    let finite = true
    for (let i = from; i < from + 32; i++) {
      const magnitude = Math.abs(values[i]!)
      if (magnitude > largest) largest = magnitude
      else if (Number.isNaN(magnitude)) finite = false
    }
    const d = Math.fround(largest / 127)
    const half = floatToHalf(d)
    if (!finite || half >= 0x7c00) {
      throw new NumericError(
        `q8_0 holds finite values up to 8 million; values ${from} to ${from + 31} have ${finite ? largest : 'NaN'} among them`,
      )
    }
    out[at] = half & 0xff
    out[at + 1] = half >> 8
    const inverse = d === 0 ? 0 : Math.fround(1 / d)
    for (let i = 0; i < 32; i++) {
      const x = Math.fround(values[from + i]! * inverse)
      out[at + 2 + i] = Math.trunc(x < 0 ? x - 0.5 : x + 0.5) // an array of bytes keeps the low 8 bits: two's complement
    }
  }
  return out
}

/** The 16 bits of the f16 nearest to a non-negative f32, ties to even; infinity (0x7c00) from 65520 on. */
function floatToHalf(value: number): number {
  if (value >= 65520) return 0x7c00
  // Below 2^-14 halves are multiples of 2^-24; above, each power of two holds 1024 of them.
  const exponent = value < 2 ** -14 ? -14 : Math.floor(Math.log2(value))
  const scaled = value * 2 ** (10 - exponent)
  const floor = Math.floor(scaled)
  const rest = scaled - floor
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
  return (exponent + 14) * 1024 + rounded
}
