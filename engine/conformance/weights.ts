// Weights for cases: bytes in a backend's input form, beside the exact values that these bytes stand for. Written
// apart from any backend, so that a mistake in one is not repeated here.

import type { HostArray } from '../backend.ts'
import type { WeightDType } from '../dtype.ts'

export interface Weight {
  readonly dtype: WeightDType
  readonly shape: readonly number[]
  /** What `upload` takes. */
  readonly data: HostArray | Uint8Array
  /** What it holds, value by value. */
  readonly exact: Float64Array
}

/** Every weight type that the cases know. */
export const weightDTypes: readonly WeightDType[] = ['f32', 'bf16', 'q8_0', 'q4_0', 'q4_1']

/** A near weight of this type. */
export function makeWeight(values: Float32Array, shape: readonly number[], dtype: WeightDType): Weight {
  return { dtype, shape, ...encoders[dtype](values) }
}

const encoders: Readonly<Record<WeightDType, (values: Float32Array) => Pick<Weight, 'data' | 'exact'>>> = {
  f32: (values) => ({ data: values, exact: Float64Array.from(values) }),
  bf16: encodeBf16,
  q8_0: encodeQ8,
  q4_0: encodeQ4,
  q4_1: encodeQ4Offset,
}

function encodeBf16(values: Float32Array): Pick<Weight, 'data' | 'exact'> {
  const data = new Uint8Array(values.length * 2)
  const view = new DataView(data.buffer)
  const word = new DataView(new ArrayBuffer(4))
  const exact = Float64Array.from(values, (value, i) => {
    word.setFloat32(0, value)
    // To the nearest: adding half a step carries into the upper half.
    const bits = (word.getUint32(0) + 0x8000) >>> 16
    view.setUint16(i * 2, bits, true)
    word.setUint32(0, bits << 16)
    return word.getFloat32(0)
  })
  return { data, exact }
}

function encodeQ8(values: Float32Array): Pick<Weight, 'data' | 'exact'> {
  const { data, view, exact } = blocksFor(values, 34)
  for (let block = 0; block < values.length / 32; block++) {
    let lowest = 0
    let highest = 0
    for (let i = 0; i < 32; i++) {
      lowest = Math.min(lowest, values[block * 32 + i]!)
      highest = Math.max(highest, values[block * 32 + i]!)
    }
    // Uses -128 where it can, which few files do and all may.
    const { bits, value: scale } = halfAtLeast(Math.max(-lowest / 128, highest / 127))
    view.setUint16(block * 34, bits, true)
    for (let i = 0; i < 32; i++) {
      const byte = scale === 0 ? 0 : Math.round(values[block * 32 + i]! / scale)
      view.setInt8(block * 34 + 2 + i, byte)
      exact[block * 32 + i] = scale * byte
    }
  }
  return { data, exact }
}

/** Scales are positive in every other block and negative in those between, as files have both. */
function encodeQ4(values: Float32Array): Pick<Weight, 'data' | 'exact'> {
  const { data, view, exact } = blocksFor(values, 18)
  for (let block = 0; block < values.length / 32; block++) {
    const own = values.subarray(block * 32, block * 32 + 32)
    const sign = block % 2 === 0 ? 1 : -1
    const { bits, value: scale } = halfAtLeast(Math.max(...own.map(Math.abs)) / 7)
    view.setUint16(block * 18, sign > 0 ? bits : bits | 0x8000, true)
    for (let i = 0; i < 32; i++) {
      const step = scale === 0 ? 0 : Math.round((sign * own[i]!) / scale)
      data[block * 18 + 2 + (i % 16)]! |= (step + 8) << (i < 16 ? 0 : 4)
      exact[block * 32 + i] = sign * scale * step
    }
  }
  return { data, exact }
}

function encodeQ4Offset(values: Float32Array): Pick<Weight, 'data' | 'exact'> {
  const { data, view, exact } = blocksFor(values, 20)
  for (let block = 0; block < values.length / 32; block++) {
    const own = values.subarray(block * 32, block * 32 + 32)
    const lowest = Math.min(...own)
    const { bits, value: scale } = halfAtLeast((Math.max(...own) - lowest) / 15)
    const offset = halfAtLeast(Math.abs(lowest))
    const base = lowest < 0 ? -offset.value : offset.value
    view.setUint16(block * 20, bits, true)
    view.setUint16(block * 20 + 2, lowest < 0 ? offset.bits | 0x8000 : offset.bits, true)
    for (let i = 0; i < 32; i++) {
      const step = scale === 0 ? 0 : Math.min(15, Math.max(0, Math.round((own[i]! - base) / scale)))
      data[block * 20 + 4 + (i % 16)]! |= step << (i < 16 ? 0 : 4)
      // What f32 arithmetic makes of it, as in files' own definition.
      exact[block * 32 + i] = Math.fround(Math.fround(scale * step) + base)
    }
  }
  return { data, exact }
}

function blocksFor(values: Float32Array, blockBytes: number) {
  const data = new Uint8Array((values.length / 32) * blockBytes)
  return { data, view: new DataView(data.buffer), exact: new Float64Array(values.length) }
}

/** The smallest f16 that is not below `value` (0 or more, far from f16's largest). */
function halfAtLeast(value: number): { bits: number; value: number } {
  if (value === 0) return { bits: 0, value: 0 }
  let exponent = 1
  let unit = 2 ** -24
  while (value / unit > 2047) {
    unit *= 2
    exponent++
  }
  const steps = Math.ceil(value / unit)
  // Below 1024 steps it is a subnormal, whose exponent field is 0.
  return { bits: steps < 1024 ? steps : (exponent << 10) + (steps - 1024), value: steps * unit }
}
