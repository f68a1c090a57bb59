// Where the tensors of an op are: moved between the pool and buffers of their own where an op needs them in the other.

import { byteSize } from '../dtype.ts'
import type { Pool } from './pool.ts'
import type { Recorder } from './recorder.ts'
import type { WebgpuTensor, WeightPart } from './tensor.ts'
import type { WeightStore } from './weights.ts'

export interface PlaceParts {
  readonly pool: Pool
  readonly recorder: Recorder
  readonly weights: WeightStore
}

export interface Places {
  /** The word of the pool at which a tensor begins. */
  placeOf(tensor: WebgpuTensor): number
  /** The buffers of a weight. */
  partsOf(tensor: WebgpuTensor): readonly WeightPart[]
  /** Words of the pool for what a kernel leaves to the next. */
  scratchAt(words: number): number
}

export function createPlaces({ pool, recorder, weights }: PlaceParts): Places {
  /** Room for what a kernel leaves to the next, which has it to itself. */
  let scratch = { at: -1, words: 0 }

  function scratchAt(words: number): number {
    if (scratch.words < words) {
      if (scratch.at >= 0) pool.retire(scratch.at)
      scratch = { at: pool.take(words), words }
    }
    return scratch.at
  }

  /** Where a tensor is in the pool, to which it is moved if need be. */
  function placeOf(tensor: WebgpuTensor): number {
    if (!tensor.parts) return tensor.at
    tensor.at = pool.take(byteSize(tensor.dtype, tensor.shape) / 4)
    let word = tensor.at
    for (const { buffer, bytes } of tensor.parts) {
      recorder.copy({ word, buffer, at: 0, bytes, to: 'pool' })
      recorder.retire(buffer)
      word += bytes / 4
    }
    tensor.parts = undefined
    return tensor.at
  }

  /** The buffers of a weight, to which it is moved if need be; a pass's own is copied. */
  function partsOf(tensor: WebgpuTensor): readonly WeightPart[] {
    if (tensor.parts) return tensor.parts
    const made = weights.create(tensor)
    let word = tensor.at
    for (const { buffer, bytes } of made) {
      recorder.copy({ word, buffer, at: 0, bytes, to: 'buffer' })
      word += bytes / 4
    }
    if (tensor.passing) {
      for (const { buffer } of made) recorder.retire(buffer)
      return made
    }
    pool.retire(tensor.at)
    tensor.at = -1
    tensor.parts = made
    return made
  }

  return { placeOf, partsOf, scratchAt }
}
