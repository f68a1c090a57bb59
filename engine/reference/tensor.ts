// Tensors of the reference backend: a shape and a typed array, nothing hidden.

import { decodeBlocks } from '../blocks.ts'
import { type BlockDType, blockLayouts } from '../dtype.ts'

export interface F32Tensor {
  readonly shape: readonly number[]
  readonly dtype: 'f32'
  readonly data: Float32Array
}

export interface I32Tensor {
  readonly shape: readonly number[]
  readonly dtype: 'i32'
  readonly data: Int32Array
}

/** The upper halves of f32 bit patterns. */
export interface Bf16Tensor {
  readonly shape: readonly number[]
  readonly dtype: 'bf16'
  readonly data: Uint16Array
}

/** Blocks along the last axis, as files hold them. */
export interface BlockTensor {
  readonly shape: readonly number[]
  readonly dtype: BlockDType
  readonly data: Uint8Array
}

export type WeightTensor = F32Tensor | Bf16Tensor | BlockTensor
export type ReferenceTensor = WeightTensor | I32Tensor

/** The size of the last axis. */
export function width(tensor: { readonly shape: readonly number[] }): number {
  return tensor.shape.at(-1) ?? 1
}

/** Row-wise access to a weight's exact values: after `at = seek(row)` the row stands at `values[at ..]`. */
export interface WeightRows {
  readonly values: Float32Array
  seek(row: number): number
}

/** f32 weights are read where they are; other types are widened, a row at a time, into a buffer. */
export function weightRows(weight: WeightTensor): WeightRows {
  const size = width(weight)
  if (weight.dtype === 'f32') return { values: weight.data, seek: (row) => row * size }
  const values = new Float32Array(size)
  const bits = new Uint32Array(values.buffer)
  if (weight.dtype === 'bf16') {
    const { data } = weight
    const seek = (row: number): number => {
      for (let i = 0; i < size; i++) bits[i] = data[row * size + i]! << 16
      return 0
    }
    return { values, seek }
  }
  const { data, dtype } = weight
  const { blockSize, blockBytes } = blockLayouts[dtype]
  const rowBytes = (size / blockSize) * blockBytes
  const seek = (row: number): number => {
    decodeBlocks(dtype, data.subarray(row * rowBytes, (row + 1) * rowBytes), values)
    return 0
  }
  return { values, seek }
}
