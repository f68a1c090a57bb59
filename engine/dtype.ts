// The number types of tensors: how many values share a block, and how many bytes a block takes.

import { DTypeError, ShapeError } from './errors.ts'

/** Weight types of GGUF's blocks, which run along the last axis (blocks.ts). */
export type BlockDType = 'q8_0' | 'q4_0' | 'q4_1'

/** Types that a weight can have inside the engine. Activations are always `f32`. */
export type WeightDType = 'f32' | 'bf16' | BlockDType

/** Every type of a tensor: weights, activations (`f32`) and token ids (`i32`). */
export type DType = WeightDType | 'i32'

/** Block types that model files hold and no kernel takes: GGUF's, decoded when they are loaded. */
export type PackedDType = 'q5_0' | 'q5_1' | 'iq4_nl' | 'mxfp4' | 'q2_k' | 'q3_k' | 'q4_k' | 'q5_k' | 'q6_k' | 'iq4_xs'

/** Types that model files hold; what no kernel takes is converted when it is loaded. */
export type StoredDType = WeightDType | 'f16' | PackedDType

/** The memory layout of a type: `blockSize` values in `blockBytes` bytes. */
export interface BlockLayout {
  readonly blockSize: number
  readonly blockBytes: number
}

export const blockLayouts: Readonly<Record<DType | StoredDType, BlockLayout>> = {
  f32: { blockSize: 1, blockBytes: 4 },
  i32: { blockSize: 1, blockBytes: 4 },
  f16: { blockSize: 1, blockBytes: 2 },
  bf16: { blockSize: 1, blockBytes: 2 },
  q8_0: { blockSize: 32, blockBytes: 34 },
  q4_0: { blockSize: 32, blockBytes: 18 },
  q4_1: { blockSize: 32, blockBytes: 20 },
  q5_0: { blockSize: 32, blockBytes: 22 },
  q5_1: { blockSize: 32, blockBytes: 24 },
  iq4_nl: { blockSize: 32, blockBytes: 18 },
  mxfp4: { blockSize: 32, blockBytes: 17 },
  q2_k: { blockSize: 256, blockBytes: 84 },
  q3_k: { blockSize: 256, blockBytes: 110 },
  q4_k: { blockSize: 256, blockBytes: 144 },
  q5_k: { blockSize: 256, blockBytes: 176 },
  q6_k: { blockSize: 256, blockBytes: 210 },
  iq4_xs: { blockSize: 256, blockBytes: 136 },
}

/** Whether a weight's values come in blocks, which the last axis has to be made of. */
export function isBlockType(dtype: DType): dtype is BlockDType {
  return blockLayouts[dtype].blockSize > 1
}

/** The number of values in a tensor of this shape. Throws {@link ShapeError} for a dimension that is not a whole number. */
export function elementCount(shape: readonly number[]): number {
  let count = 1
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) {
      throw new ShapeError(`a shape holds whole numbers, but this one is [${shape.join(', ')}]`)
    }
    count *= dimension
  }
  if (!Number.isSafeInteger(count)) throw new ShapeError(`[${shape.join(', ')}] has more elements than can be counted`)
  return count
}

/**
 * Bytes that a tensor takes. Throws {@link DTypeError} when the last axis does not divide into the type's blocks.
 */
export function byteSize(dtype: DType | StoredDType, shape: readonly number[]): number {
  const { blockSize, blockBytes } = blockLayouts[dtype]
  const last = shape.at(-1) ?? 1
  if (last % blockSize !== 0) {
    throw new DTypeError(
      `${dtype} packs ${blockSize} values along the last axis, which is ${last} in [${shape.join(', ')}]`,
    )
  }
  return (elementCount(shape) / blockSize) * blockBytes
}
