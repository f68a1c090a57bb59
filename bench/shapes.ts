// Models by their shapes alone: random weights cost a pass what trained ones do.

import type { Backend, Tensor } from '../engine/backend.ts'
import { convert } from '../engine/convert.ts'
import { elementCount, type WeightDType } from '../engine/dtype.ts'
import type { Turn } from '../engine/turn.ts'
import type { LlamaConfig } from '../model/config.ts'
import { createLlama, type Llama } from '../model/llama.ts'
import { assembleWeights, runningDType, tensorShapes } from '../model/weights.ts'

/** Shapes by name. Sources: the models' own config.json. */
export const shapes: Readonly<Record<string, LlamaConfig>> = {
  'smollm2-135m': {
    modelType: 'llama',
    vocabSize: 49152,
    hiddenSize: 576,
    intermediateSize: 1536,
    numHiddenLayers: 30,
    numAttentionHeads: 9,
    numKeyValueHeads: 3,
    headDim: 64,
    maxPositionEmbeddings: 8192,
    rmsNormEps: 1e-5,
    ropeTheta: 100000,
    ropeScaling: { type: 'default' },
    tieWordEmbeddings: true,
    attentionBias: false,
    attentionOutputBias: false,
    mlpBias: false,
    qkNorm: false,
    slidingWindow: undefined,
    bosTokenId: 1,
    eosTokenIds: [2],
    storedDType: 'f32',
  },
}

/** A Llama of this shape with weights of noise, the size of which keeps hidden rows in bounds. `free` frees it. */
export async function randomLlama(
  backend: Backend,
  config: LlamaConfig,
  { dtype, turn }: { dtype: WeightDType | undefined; turn: Turn },
): Promise<Llama & { free(): void }> {
  const weights = [...tensorShapes(config)].map(([name, shape]) => {
    return { name, shape, dtype: runningDType({ shape, dtype: 'f32' }, backend, dtype) }
  })
  await backend.prepare?.(weights)
  const uploaded = new Map<string, Tensor>()
  let state = 1
  try {
    for (const { name, shape, dtype: runs } of weights) {
      await turn()
      const values = new Float32Array(elementCount(shape)).fill(1)
      if (shape.length > 1) {
        const scale = 2 ** -31 / Math.sqrt(shape.at(-1)!)
        for (let i = 0; i < values.length; i++) {
          state = (Math.imul(state, 1664525) + 1013904223) | 0
          values[i] = state * scale
        }
      }
      const bytes = convert(new Uint8Array(values.buffer), 'f32', runs)
      uploaded.set(name, backend.upload(bytes, { shape, dtype: runs }))
    }
  } catch (error) {
    for (const tensor of uploaded.values()) backend.free(tensor)
    throw error
  }
  return createLlama(backend, config, assembleWeights(uploaded, config))
}
