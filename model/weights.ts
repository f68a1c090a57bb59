// From a checkpoint's tensors to weights on a backend: names and shapes checked, types converted where asked.

import type { Backend, Tensor, WeightSpec } from '../engine/backend.ts'
import { convert, lossless } from '../engine/convert.ts'
import { blockLayouts, byteSize, elementCount, type StoredDType, type WeightDType } from '../engine/dtype.ts'
import { DTypeError, ModelFormatError, OutOfMemoryError } from '../engine/errors.ts'
import type { Turn } from '../engine/turn.ts'
import type { LlamaConfig } from './config.ts'
import type { Checkpoint, StoredTensor } from './load/checkpoint.ts'

/** A linear map: `weight [out, in]`, and where the config has them `bias [out]`, and `norm [headDim]` of each head of it. */
export interface LinearWeights {
  readonly weight: Tensor
  readonly bias?: Tensor
  readonly norm?: Tensor
}

export interface LayerWeights {
  readonly attentionNorm: Tensor
  readonly query: LinearWeights
  readonly key: LinearWeights
  readonly value: LinearWeights
  readonly output: LinearWeights
  readonly mlpNorm: Tensor
  readonly gate: LinearWeights
  readonly up: LinearWeights
  readonly down: LinearWeights
}

export interface LlamaWeights {
  /** `[vocabSize, hiddenSize]`. */
  readonly embedding: Tensor
  readonly layers: readonly LayerWeights[]
  readonly norm: Tensor
  /** `[vocabSize, hiddenSize]`; the embedding itself where the two are tied. */
  readonly head: Tensor
}

/** The name, in Hugging Face's layout, and the shape of every tensor of a model with this config. */
export function tensorShapes(config: LlamaConfig): Map<string, readonly number[]> {
  const { hiddenSize, intermediateSize, vocabSize, numAttentionHeads, numKeyValueHeads, headDim } = config
  const queries = numAttentionHeads * headDim
  const keys = numKeyValueHeads * headDim
  const shapes = new Map<string, readonly number[]>()
  const linear = (name: string, out: number, inSize: number, bias: boolean): void => {
    shapes.set(`${name}.weight`, [out, inSize])
    if (bias) shapes.set(`${name}.bias`, [out])
  }
  shapes.set('model.embed_tokens.weight', [vocabSize, hiddenSize])
  for (let i = 0; i < config.numHiddenLayers; i++) {
    const layer = `model.layers.${i}`
    shapes.set(`${layer}.input_layernorm.weight`, [hiddenSize])
    linear(`${layer}.self_attn.q_proj`, queries, hiddenSize, config.attentionBias)
    linear(`${layer}.self_attn.k_proj`, keys, hiddenSize, config.attentionBias)
    linear(`${layer}.self_attn.v_proj`, keys, hiddenSize, config.attentionBias)
    linear(`${layer}.self_attn.o_proj`, hiddenSize, queries, config.attentionOutputBias)
    if (config.qkNorm) {
      shapes.set(`${layer}.self_attn.q_norm.weight`, [headDim])
      shapes.set(`${layer}.self_attn.k_norm.weight`, [headDim])
    }
    shapes.set(`${layer}.post_attention_layernorm.weight`, [hiddenSize])
    linear(`${layer}.mlp.gate_proj`, intermediateSize, hiddenSize, config.mlpBias)
    linear(`${layer}.mlp.up_proj`, intermediateSize, hiddenSize, config.mlpBias)
    linear(`${layer}.mlp.down_proj`, hiddenSize, intermediateSize, config.mlpBias)
  }
  shapes.set('model.norm.weight', [hiddenSize])
  if (!config.tieWordEmbeddings) shapes.set('lm_head.weight', [vocabSize, hiddenSize])
  return shapes
}

/** Tensors that some checkpoints carry and that a Llama does not need: old buffers, and the head when it is tied. */
const ignored = /(\.rotary_emb\.inv_freq|^lm_head\.weight)$/

/**
 * Checks that the tensors are those of the config, all of them and no others, before anything is read.
 * Throws {@link ModelFormatError} naming the first that is missing, of another shape, or unknown.
 */
export function checkTensors(tensors: ReadonlyMap<string, StoredTensor>, config: LlamaConfig): void {
  const shapes = tensorShapes(config)
  for (const [name, shape] of shapes) {
    const tensor = tensors.get(name)
    if (!tensor) throw new ModelFormatError(`the checkpoint has no tensor ${name}, which its config calls for`)
    if (tensor.shape.length !== shape.length || shape.some((size, i) => size !== tensor.shape[i])) {
      throw new ModelFormatError(`${name} is [${tensor.shape.join(', ')}]; its config calls for [${shape.join(', ')}]`)
    }
  }
  for (const name of tensors.keys()) {
    if (!shapes.has(name) && !ignored.test(name)) {
      throw new ModelFormatError(`the checkpoint holds ${name}, which a model with its config does not have`)
    }
  }
}

/**
 * The type in which a weight runs: the one asked for, where its blocks fit the last axis; else the backend's fastest
 * that loses nothing. Norms and biases are always f32.
 */
export function runningDType(
  tensor: { readonly shape: readonly number[]; readonly dtype: StoredDType },
  backend: Backend,
  asked: WeightDType | undefined,
): WeightDType {
  if (tensor.shape.length < 2) return 'f32'
  if (asked && tensor.shape.at(-1)! % blockLayouts[asked].blockSize === 0) return asked
  const dtype = backend.capabilities.dtypes.find((candidate) => lossless[tensor.dtype].includes(candidate))
  if (dtype) return dtype
  throw new DTypeError(
    `${backend.name} runs no type that holds ${tensor.dtype} weights without loss; ask for one by dtype`,
  )
}

/** The type to ask for where the caller named none: the backend's fastest of those in which the model runs unasked. */
export function unaskedDType({ runsAs }: Pick<Checkpoint, 'runsAs'>, backend: Backend): WeightDType | undefined {
  return runsAs && backend.capabilities.dtypes.find((dtype) => runsAs.includes(dtype))
}

/** What a model is made of, in numbers. */
export interface WeightsSummary {
  readonly parameters: number
  /** Number of tensors by the type that the file holds, in the words of its format, and by the type that runs. */
  readonly stored: Readonly<Partial<Record<string, number>>>
  readonly running: Readonly<Partial<Record<WeightDType, number>>>
  /** The type in which most values run. */
  readonly dtype: WeightDType
  /** Bytes of the weights that a pass reads whole, as they run: all, but for an embedding that is not the head as well. */
  readonly passBytes: number
}

/**
 * Checks the tensors, and says what they are stored as and run as. Throws {@link ModelFormatError}, and
 * {@link DTypeError} where not one matrix could run in the type asked for.
 */
export function summarize(
  tensors: ReadonlyMap<string, StoredTensor>,
  config: LlamaConfig,
  { backend, dtype }: { backend: Backend; dtype?: WeightDType | undefined },
): WeightsSummary {
  checkTensors(tensors, config)
  const stored: Partial<Record<string, number>> = {}
  const running: Partial<Record<WeightDType, number>> = {}
  const values = new Map<WeightDType, number>()
  let [parameters, passBytes] = [0, 0]
  for (const name of tensorShapes(config).keys()) {
    const tensor = tensors.get(name)!
    const runs = runningDType(tensor, backend, dtype)
    parameters += elementCount(tensor.shape)
    if (name !== 'model.embed_tokens.weight' || config.tieWordEmbeddings) passBytes += byteSize(runs, tensor.shape)
    const held = tensor.storedAs ?? tensor.dtype
    stored[held] = (stored[held] ?? 0) + 1
    running[runs] = (running[runs] ?? 0) + 1
    values.set(runs, (values.get(runs) ?? 0) + elementCount(tensor.shape))
  }
  if (dtype && !running[dtype]) {
    const { blockSize } = blockLayouts[dtype]
    throw new DTypeError(
      `no matrix of this model can run as ${dtype}, which packs ${blockSize} values along the last axis`,
    )
  }
  const [main] = [...values].reduce((most, each) => (each[1] > most[1] ? each : most))
  return { parameters, stored, running, dtype: main, passBytes }
}

/** Told after each tensor: `loaded` of `total` are there, `tensor` the last of them. */
export interface UploadProgress {
  readonly tensor: string
  readonly loaded: number
  readonly total: number
}

/**
 * Reads, converts and uploads every weight, one at a time; `summarize` has checked them. Throws {@link OutOfMemoryError},
 * before the first is read where the backend can tell.
 */
export async function uploadWeights(
  backend: Backend,
  config: LlamaConfig,
  options: {
    tensors: ReadonlyMap<string, StoredTensor>
    dtype: WeightDType | undefined
    turn: Turn
    onProgress: ((progress: UploadProgress) => void) | undefined
  },
): Promise<LlamaWeights> {
  const names = [...tensorShapes(config).keys()]
  const specs = names.map((name): WeightSpec => {
    const tensor = options.tensors.get(name)!
    return { shape: tensor.shape, dtype: runningDType(tensor, backend, options.dtype) }
  })
  await options.turn()
  await backend.prepare?.(specs)
  const uploaded = new Map<string, Tensor>()
  try {
    for (const [loaded, name] of names.entries()) {
      await options.turn()
      const tensor = options.tensors.get(name)!
      const { shape, dtype } = specs[loaded]!
      const bytes = convert(await tensor.read(), tensor.dtype, dtype)
      uploaded.set(name, backend.upload(bytes, { shape, dtype }))
      options.onProgress?.({ tensor: name, loaded: loaded + 1, total: names.length })
    }
    // A device may tell only later that it has no memory.
    await backend.read([])
  } catch (error) {
    for (const tensor of uploaded.values()) backend.free(tensor)
    throw error instanceof RangeError ? new OutOfMemoryError(`no memory for the weights: ${error.message}`) : error
  }
  return assembleWeights(uploaded, config)
}

/** Every tensor once. */
export function weightTensors({ embedding, layers, norm, head }: LlamaWeights): Set<Tensor> {
  const tensors = new Set([embedding, norm, head])
  for (const { attentionNorm, mlpNorm, ...maps } of layers) {
    tensors.add(attentionNorm).add(mlpNorm)
    for (const { weight, bias, norm } of Object.values(maps)) {
      tensors.add(weight)
      if (bias) tensors.add(bias)
      if (norm) tensors.add(norm)
    }
  }
  return tensors
}

/** The weights by name, as the model wants them. */
export function assembleWeights(uploaded: ReadonlyMap<string, Tensor>, config: LlamaConfig): LlamaWeights {
  const weight = (name: string): Tensor => uploaded.get(`${name}.weight`)!
  const linear = (name: string): LinearWeights => {
    const bias = uploaded.get(`${name}.bias`)
    return bias ? { weight: weight(name), bias } : { weight: weight(name) }
  }
  const normed = (name: string, norm: string): LinearWeights =>
    config.qkNorm ? { ...linear(name), norm: weight(norm) } : linear(name)
  const embedding = weight('model.embed_tokens')
  return {
    embedding,
    layers: Array.from({ length: config.numHiddenLayers }, (_, i) => ({
      attentionNorm: weight(`model.layers.${i}.input_layernorm`),
      query: normed(`model.layers.${i}.self_attn.q_proj`, `model.layers.${i}.self_attn.q_norm`),
      key: normed(`model.layers.${i}.self_attn.k_proj`, `model.layers.${i}.self_attn.k_norm`),
      value: linear(`model.layers.${i}.self_attn.v_proj`),
      output: linear(`model.layers.${i}.self_attn.o_proj`),
      mlpNorm: weight(`model.layers.${i}.post_attention_layernorm`),
      gate: linear(`model.layers.${i}.mlp.gate_proj`),
      up: linear(`model.layers.${i}.mlp.up_proj`),
      down: linear(`model.layers.${i}.mlp.down_proj`),
    })),
    norm: weight('model.norm'),
    head: config.tieWordEmbeddings ? embedding : weight('lm_head'),
  }
}
