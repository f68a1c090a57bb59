// The shapes of models whose weights need not be here: random ones cost a pass what trained ones do.

import type { LlamaConfig, RopeScaling } from '../model/config.ts'

/** What all of these have in common: Llamas without biases, norms of queries and keys, or a window. */
const plainLlama = {
  modelType: 'llama',
  rmsNormEps: 1e-5,
  ropeScaling: { type: 'default' },
  attentionBias: false,
  attentionOutputBias: false,
  mlpBias: false,
  qkNorm: false,
  slidingWindow: undefined,
} as const

const llama32 = {
  ...plainLlama,
  vocabSize: 128256,
  intermediateSize: 8192,
  numKeyValueHeads: 8,
  maxPositionEmbeddings: 131072,
  ropeTheta: 500000,
  ropeScaling: {
    type: 'llama3',
    factor: 32,
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalMaxPositionEmbeddings: 8192,
  } satisfies RopeScaling,
  tieWordEmbeddings: true,
  bosTokenId: 128000,
  eosTokenIds: [128001],
  storedDType: 'bf16',
} as const

/**
 * Shapes by name. Sources: the config.json of HuggingFaceTB/SmolLM2-135M, TinyLlama/TinyLlama-1.1B-Chat-v1.0,
 * meta-llama/Llama-3.2-1B, meta-llama/Llama-3.2-3B and meta-llama/Llama-2-7b-hf. SmolLM2 runs as f32 unless another type is
 * asked for, the others in the type that their files hold.
 */
export const shapes: Readonly<Record<string, LlamaConfig>> = {
  'smollm2-135m': {
    ...plainLlama,
    vocabSize: 49152,
    hiddenSize: 576,
    intermediateSize: 1536,
    numHiddenLayers: 30,
    numAttentionHeads: 9,
    numKeyValueHeads: 3,
    headDim: 64,
    maxPositionEmbeddings: 8192,
    ropeTheta: 100000,
    tieWordEmbeddings: true,
    bosTokenId: 1,
    eosTokenIds: [2],
    storedDType: 'f32',
  },
  'tinyllama-1.1b': {
    ...plainLlama,
    vocabSize: 32000,
    hiddenSize: 2048,
    intermediateSize: 5632,
    numHiddenLayers: 22,
    numAttentionHeads: 32,
    numKeyValueHeads: 4,
    headDim: 64,
    maxPositionEmbeddings: 2048,
    ropeTheta: 10000,
    tieWordEmbeddings: false,
    bosTokenId: 1,
    eosTokenIds: [2],
    storedDType: 'bf16',
  },
  'llama-3.2-1b': { ...llama32, hiddenSize: 2048, numHiddenLayers: 16, numAttentionHeads: 32, headDim: 64 },
  'llama-3.2-3b': { ...llama32, hiddenSize: 3072, numHiddenLayers: 28, numAttentionHeads: 24, headDim: 128 },
  'llama-2-7b': {
    ...plainLlama,
    vocabSize: 32000,
    hiddenSize: 4096,
    intermediateSize: 11008,
    numHiddenLayers: 32,
    numAttentionHeads: 32,
    numKeyValueHeads: 32,
    headDim: 128,
    maxPositionEmbeddings: 4096,
    ropeTheta: 10000,
    tieWordEmbeddings: false,
    bosTokenId: 1,
    eosTokenIds: [2],
    storedDType: 'f16',
  },
}
