// Block types of weights, laid out as in GGUF: 32 values a block along the last axis, with a scale of their own, or 256
// (super-blocks.ts). They are decoded as ggml does, exactly, and encoded as its reference quantisers do, in f32 arithmetic.

import { type BlockDType, blockLayouts, type PackedDType } from './dtype.ts'
import { NumericError, ShapeError } from './errors.ts'
import { floatToHalf, halfAt } from './half.ts'
import { decodeIQ4XS, decodeQ2K, decodeQ3K, decodeQ4K, decodeQ5K, decodeQ6K, unevenSteps } from './super-blocks.ts'

const { fround } = Math

/** Writes the values of the block at byte `at` from `out[to]` on. */
type Decode = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void

/** Writes the block of the values from `values[from]` on at byte `at`. Returns whether its scales are finite. */
type Encode = (values: Float32Array, from: number, out: Uint8Array, at: number) => boolean

const decoders: Readonly<Record<BlockDType | PackedDType, Decode>> = {
  q8_0: decodeQ8,
  q4_0: decodeQ4,
  q4_1: decodeQ4Offset,
  q5_0: decodeQ5,
  q5_1: decodeQ5Offset,
  iq4_nl: decodeIQ4NL,
  mxfp4: decodeMXFP4,
  q2_k: decodeQ2K,
  q3_k: decodeQ3K,
  q4_k: decodeQ4K,
  q5_k: decodeQ5K,
  q6_k: decodeQ6K,
  iq4_xs: decodeIQ4XS,
}

const encoders: Readonly<Record<BlockDType, Encode>> = { q8_0: encodeQ8, q4_0: encodeQ4, q4_1: encodeQ4Offset }

/** The values of whole blocks, from `out[0]` on. */
export function decodeBlocks(dtype: BlockDType | PackedDType, bytes: Uint8Array, out: Float32Array): void {
  const decode = decoders[dtype]
  const { blockBytes, blockSize } = blockLayouts[dtype]
  for (let at = 0, to = 0; at < bytes.length; at += blockBytes, to += blockSize) decode(bytes, at, out, to)
}

/** Types whose values are an f16 scale, which comes first in a block, times whole numbers of 8 bits: q8_0 holds each. */
export type ScaledBytesDType = 'q4_0' | 'q5_0' | 'iq4_nl'

/** Whole blocks as q8_0, without loss. */
export function repackAsQ8(dtype: ScaledBytesDType, bytes: Uint8Array): Uint8Array {
  const [from, to] = [blockLayouts[dtype].blockBytes, blockLayouts.q8_0.blockBytes]
  const out = new Uint8Array((bytes.length / from) * to)
  const steps = new Float32Array(32)
  for (let at = 0, target = 0; at < bytes.length; at += from, target += to) {
    const block = bytes.slice(at, at + from)
    out.set(block.subarray(0, 2), target)
    block.set([0x00, 0x3c]) // with a scale of 1 the values are the whole numbers
    decoders[dtype](block, 0, steps, 0)
    for (let i = 0; i < 32; i++) out[target + 2 + i] = steps[i]!
  }
  return out
}

/**
 * Whole blocks of values; `first`: how many came before, for messages. Throws {@link ShapeError} for values that do not fill
 * blocks, and {@link NumericError} for what these cannot hold.
 */
export function encodeBlocks(dtype: BlockDType, values: Float32Array, first = 0): Uint8Array {
  const encode = encoders[dtype]
  const { blockBytes } = blockLayouts[dtype]
  if (values.length % 32 !== 0) {
    throw new ShapeError(`${dtype} packs values in blocks of 32, and ${values.length} are no whole number of blocks`)
  }
  const out = new Uint8Array((values.length / 32) * blockBytes)
  for (let from = 0, at = 0; from < values.length; from += 32, at += blockBytes) {
    if (isFiniteBlock(values, from) && encode(values, from, out, at)) continue
    const block = values.subarray(from, from + 32)
    const bad = block.find((value) => !Number.isFinite(value))
    const among = bad ?? block.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most))
    throw new NumericError(
      `${dtype} holds finite values whose scale is an f16; values ${first + from} to ${first + from + 31} have ${among} among them`,
    )
  }
  return out
}

function isFiniteBlock(values: Float32Array, from: number): boolean {
  let zero = 0
  for (let i = from; i < from + 32; i++) zero += values[i]! * 0 // NaN for what is not finite
  return zero === 0
}

/** q8_0: an f16 scale, then signed bytes; value = scale * byte. */
function decodeQ8(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = halfAt(bytes, at)
  for (let i = 0; i < 32; i++) out[to + i] = scale * ((bytes[at + 2 + i]! << 24) >> 24)
}

/** The scale is the largest magnitude over 127; bytes are rounded half away from zero. */
function encodeQ8(values: Float32Array, from: number, out: Uint8Array, at: number): boolean {
  let largest = 0
  for (let i = from; i < from + 32; i++) largest = Math.max(largest, Math.abs(values[i]!))
  const scale = fround(largest / 127)
  const inverse = inverseOf(scale)
  for (let i = 0; i < 32; i++) {
    const x = fround(values[from + i]! * inverse)
    out[at + 2 + i] = (x < 0 ? x - 0.5 : x + 0.5) | 0 // an array of bytes keeps the low 8 bits: two's complement
  }
  return writeHalf(scale, out, at)
}

/** q4_0: an f16 scale, then 16 bytes: values 0 to 15 in the low halves, 16 to 31 in the high; value = scale * (q - 8). */
function decodeQ4(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = halfAt(bytes, at)
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 2 + i]!
    out[to + i] = scale * ((pair & 15) - 8)
    out[to + 16 + i] = scale * ((pair >> 4) - 8)
  }
}

/** The value of the largest magnitude becomes q = 0, so that its sign decides that of the scale. */
function encodeQ4(values: Float32Array, from: number, out: Uint8Array, at: number): boolean {
  let extreme = 0
  for (let i = from; i < from + 32; i++) if (Math.abs(values[i]!) > Math.abs(extreme)) extreme = values[i]!
  const scale = fround(extreme / -8)
  const inverse = inverseOf(scale)
  const quantise = (value: number): number => nibble(fround(fround(value * inverse) + 8.5))
  packNibbles(values, from, { out, at: at + 2, quantise })
  return writeHalf(scale, out, at)
}

/** q4_1: an f16 scale, an f16 offset, then 16 bytes as in q4_0; value = scale * q + offset. */
function decodeQ4Offset(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = halfAt(bytes, at)
  const offset = halfAt(bytes, at + 2)
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 4 + i]!
    out[to + i] = fround(scale * (pair & 15)) + offset
    out[to + 16 + i] = fround(scale * (pair >> 4)) + offset
  }
}

/** The offset is the lowest value, and the highest becomes q = 15. */
function encodeQ4Offset(values: Float32Array, from: number, out: Uint8Array, at: number): boolean {
  let [lowest, highest] = [values[from]!, values[from]!]
  for (let i = from; i < from + 32; i++) {
    lowest = Math.min(lowest, values[i]!)
    highest = Math.max(highest, values[i]!)
  }
  const scale = fround(fround(highest - lowest) / 15)
  const inverse = inverseOf(scale)
  const quantise = (value: number): number => nibble(fround(fround(fround(value - lowest) * inverse) + 0.5))
  packNibbles(values, from, { out, at: at + 4, quantise })
  return writeHalf(scale, out, at) && writeHalf(lowest, out, at + 2)
}

/** q5_0: as q4_0, with 4 bytes of fifth bits after the scale; value = scale * (q - 16). */
function decodeQ5(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = halfAt(bytes, at)
  for (let i = 0; i < 32; i++) out[to + i] = scale * (fiveBits(bytes, at + 2, i) - 16)
}

/** q5_1: as q5_0, with an f16 offset after the scale; value = scale * q + offset. */
function decodeQ5Offset(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = halfAt(bytes, at)
  const offset = halfAt(bytes, at + 2)
  for (let i = 0; i < 32; i++) out[to + i] = fround(scale * fiveBits(bytes, at + 4, i)) + offset
}

/** Value `i` of 32: its fifth bit is in the 4 bytes at `at`, the others in the 16 after them. */
function fiveBits(bytes: Uint8Array, at: number, i: number): number {
  const high = (bytes[at + (i >> 3)]! >> (i & 7)) & 1
  return (high << 4) | ((bytes[at + 4 + (i & 15)]! >> (i < 16 ? 0 : 4)) & 15)
}

/** iq4_nl: as q4_0, but q stands for one of 16 uneven steps. */
function decodeIQ4NL(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = halfAt(bytes, at)
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 2 + i]!
    out[to + i] = scale * unevenSteps[pair & 15]!
    out[to + 16 + i] = scale * unevenSteps[pair >> 4]!
  }
}

/** Twice the values of OCP's 4-bit floats. */
const twiceE2M1 = Int8Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)

/** mxfp4: a power of two by its exponent (255 is taken for 2^128, as ggml does), then 4-bit floats in the order of q4_0. */
function decodeMXFP4(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const halfScale = 2 ** (bytes[at]! - 128)
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 1 + i]!
    out[to + i] = halfScale * twiceE2M1[pair & 15]!
    out[to + 16 + i] = halfScale * twiceE2M1[pair >> 4]!
  }
}

function packNibbles(
  values: Float32Array,
  from: number,
  { out, at, quantise }: { out: Uint8Array; at: number; quantise: (value: number) => number },
): void {
  for (let i = 0; i < 16; i++) out[at + i] = quantise(values[from + i]!) | (quantise(values[from + 16 + i]!) << 4)
}

function nibble(x: number): number {
  return Math.min(15, Math.trunc(x))
}

function inverseOf(scale: number): number {
  return scale === 0 ? 0 : fround(1 / scale)
}

/** Returns whether the number is finite as an f16. */
function writeHalf(value: number, out: Uint8Array, at: number): boolean {
  const bits = floatToHalf(value)
  out[at] = bits & 0xff
  out[at + 1] = bits >> 8
  return (bits & 0x7c00) !== 0x7c00
}
