// Tensors of this backend: a place in the pool, or a weight in buffers of its own.

import type { Tensor } from '../backend.ts'

/** Rows of a weight that share a buffer, since one binding may be too small for all. */
export interface WeightPart {
  readonly buffer: GPUBuffer
  readonly group: GPUBindGroup
  readonly first: number
  readonly count: number
  readonly bytes: number
  /** Where its scales begin, in words. */
  readonly scales: number
}

/** In one of both, and moved where an op needs it in the other. */
export interface WebgpuTensor extends Tensor {
  /** The word of the pool at which it begins; -1: it has parts. */
  at: number
  parts: readonly WeightPart[] | undefined
  /** Whether its words are an arena's, and go with that. */
  readonly passing: boolean
}

/** The size of the last axis. */
export function width({ shape }: Tensor): number {
  return shape.at(-1) ?? 1
}
