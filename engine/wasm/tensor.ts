// Tensors of this backend: a place in its memory.

import type { Tensor } from '../backend.ts'
import type { Stamped } from './commands.ts'
import type { DType } from '../dtype.ts'

export interface WasmTensor extends Tensor, Stamped {
  readonly address: number
  /** Bytes that it takes there, which may be more than its type alone would: see pack.ts. */
  readonly bytes: number
}

export function newTensor(spec: { shape: readonly number[]; dtype: DType; address: number; bytes: number }): WasmTensor {
  return { ...spec, readAt: 0, writtenAt: 0 }
}

/** The size of the last axis. */
export function width(tensor: Tensor): number {
  return tensor.shape.at(-1) ?? 1
}
