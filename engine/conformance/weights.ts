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
export const weightDTypes: readonly WeightDType[] = ['f32', 'bf16', 'q8_0']

/** The nearest weight of this type (`q8_0`: of a last axis that 32 divides). */
export function makeWeight(values: Float32Array, shape: readonly number[], dtype: WeightDType): Weight {
  return { dtype, shape, ...encoders[dtype](values) }
}

const encoders: Readonly<Record<WeightDType, (values: Float32Array) => Pick<Weight, 'data' | 'exact'>>> = {
  f32: (values) => ({ data: values, exact: Float64Array.from(values) }),
  bf16: encodeBf16,
  q8_0: encodeQ8,
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
  const data = new Uint8Array((values.length / 32) * 34)
  const view = new DataView(data.buffer)
  const exact = new Float64Array(values.length)
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
