// Tensors of this backend: a place in its memory.

import type { Tensor } from '../backend.ts'
import type { Stamped } from './commands.ts'

export interface WasmTensor extends Tensor, Stamped {
  readonly address: number
  /** Bytes that it takes there, which may be more than its type alone would: see pack.ts. */
  readonly bytes: number
}

/** Written out, for objects made by `...` are slow ones in Node 20, and a pass makes hundreds. */
export function newTensor({ shape, dtype, address, bytes }: Omit<WasmTensor, keyof Stamped>): WasmTensor {
  return { shape, dtype, address, bytes, readAt: 0, writtenAt: 0 }
}

/** The size of the last axis. */
export function width(tensor: Tensor): number {
  return tensor.shape.at(-1) ?? 1
}
