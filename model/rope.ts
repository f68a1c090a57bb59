// Angles of the rotary position embedding, with the scalings that checkpoints name.

import type { Backend, Tensor } from '../engine/backend.ts'
import type { LlamaConfig } from './config.ts'

/** Radians per position of each pair, `[headDim / 2]`, rounded to f32 as Hugging Face does. */
export function inverseFrequencies({ headDim, ropeTheta, ropeScaling }: LlamaConfig): Float32Array {
  const plain = Float32Array.from({ length: headDim / 2 }, (_, i) => ropeTheta ** ((-2 * i) / headDim))
  switch (ropeScaling.type) {
    case 'default':
      return plain
    case 'linear':
      return plain.map((frequency) => frequency / ropeScaling.factor)
    case 'llama3': {
      // Llama 3.1: long waves are stretched by `factor`, short ones kept, those between are blended.
      const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings } = ropeScaling
      return plain.map((frequency) => {
        const wavesInContext = (originalMaxPositionEmbeddings * frequency) / (2 * Math.PI)
        const kept = (wavesInContext - lowFreqFactor) / (highFreqFactor - lowFreqFactor)
        const blend = Math.min(1, Math.max(0, kept))
        return (1 - blend) * (frequency / factor) + blend * frequency
      })
    }
  }
}

export interface RopeTables {
  /** f32 `[positions, headDim / 2]`, for at least this many positions. */
  upTo(positions: number): { readonly cos: Tensor; readonly sin: Tensor }
  free(): void
}

const firstPositions = 256

/** Tables on the device, made longer as positions are reached: a config may claim any context. */
export function createRopeTables(backend: Backend, config: LlamaConfig): RopeTables {
  const frequencies = inverseFrequencies(config)
  const half = frequencies.length
  let size = 0
  let tables: { cos: Tensor; sin: Tensor } | undefined

  function grow(positions: number): { cos: Tensor; sin: Tensor } {
    free()
    size = Math.max(firstPositions, size)
    while (size < positions) size *= 2
    const cos = new Float32Array(size * half)
    const sin = new Float32Array(size * half)
    for (let position = 0; position < size; position++) {
      for (let i = 0; i < half; i++) {
        const angle = Math.fround(position * frequencies[i]!)
        cos[position * half + i] = Math.cos(angle)
        sin[position * half + i] = Math.sin(angle)
      }
    }
    const spec = { shape: [size, half], dtype: 'f32' } as const
    return { cos: backend.upload(cos, spec), sin: backend.upload(sin, spec) }
  }

  function free(): void {
    for (const table of Object.values(tables ?? {})) backend.free(table)
    tables = undefined
  }

  return {
    free,
    upTo(positions) {
      if (!tables || positions > size) tables = grow(positions)
      return tables
    },
  }
}
