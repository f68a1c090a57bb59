// A mutant: the reference backend with one mistake in one kernel.

import type { OpName, Ops } from 'drafthorse/engine'
import type { F32Tensor, ReferenceTensor } from 'drafthorse/engine/reference'

export type ReferenceOps = Ops<ReferenceTensor>

export interface Mutant {
  readonly op: OpName
  readonly mistake: string
  readonly caughtBy: 'accuracy' | 'invariance only'
  /** The ops to replace, given the right ones. */
  mutate(ops: ReferenceOps): Partial<ReferenceOps>
}

export function width(tensor: ReferenceTensor): number {
  return tensor.shape.at(-1) ?? 1
}

/** A part of a tensor, from its value `start` on, over the same memory. */
export function view(tensor: F32Tensor, start: number, shape: readonly number[]): F32Tensor {
  return { shape, dtype: 'f32', data: tensor.data.subarray(start, start + shape.reduce((a, b) => a * b, 1)) }
}
