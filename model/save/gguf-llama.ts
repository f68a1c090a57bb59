// A model's config and tensors as llama.cpp's converter writes them: the counterpart of load/gguf-llama.ts.

import type { StoredDType } from '../../engine/dtype.ts'
import type { LlamaConfig } from '../config.ts'
import { ggufArchitecture, names, parts } from '../load/gguf-llama.ts'
import { factorsOf, ropeFactorsName } from '../load/rope-factors.ts'
import { floatValue, type GgufValue, textValue, wholeValue } from './gguf.ts'
import type { OutgoingTensor } from './weights.ts'

/** llama.cpp's numbers of what most of a file's weights are (`general.file_type`). */
const fileTypes: Readonly<Partial<Record<StoredDType, number>>> = {
  f32: 0,
  f16: 1,
  q4_0: 2,
  q4_1: 3,
  q8_0: 7,
  bf16: 32,
}

/** What the metadata says of the types of weights, `matrices` being that of most. */
export function typeMetadata(matrices: StoredDType): Map<string, GgufValue> {
  const number = fileTypes[matrices]
  return new Map([
    ...(number === undefined ? [] : [['general.file_type', wholeValue(number)] as const]),
    ['general.quantization_version', wholeValue(2)],
  ])
}

/** What the metadata says of a model. llama.cpp takes no notice of a Mistral's window. */
export function llamaMetadata(config: LlamaConfig, name: string): Map<string, GgufValue> {
  const { ropeScaling, headDim, slidingWindow } = config
  const architecture = ggufArchitecture(config.modelType)
  const whole: Record<string, number> = {
    vocab_size: config.vocabSize,
    context_length: config.maxPositionEmbeddings,
    embedding_length: config.hiddenSize,
    block_count: config.numHiddenLayers,
    feed_forward_length: config.intermediateSize,
    'rope.dimension_count': headDim,
    'attention.head_count': config.numAttentionHeads,
    'attention.head_count_kv': config.numKeyValueHeads,
    'attention.key_length': headDim,
    'attention.value_length': headDim,
    ...(slidingWindow !== undefined && { 'attention.sliding_window': slidingWindow }),
  }
  return new Map([
    ['general.architecture', textValue(architecture)],
    ['general.name', textValue(name)],
    ...Object.entries(whole).map(([key, value]) => [`${architecture}.${key}`, wholeValue(value)] as const),
    [`${architecture}.rope.freq_base`, floatValue(config.ropeTheta)],
    [`${architecture}.attention.layer_norm_rms_epsilon`, floatValue(config.rmsNormEps)],
    ...(ropeScaling.type === 'linear'
      ? ([
          [`${architecture}.rope.scaling.type`, textValue('linear')],
          [`${architecture}.rope.scaling.factor`, floatValue(ropeScaling.factor)],
        ] as const)
      : []),
  ])
}

/** The tensors that stand for parts of a config. */
export function configTensors(config: LlamaConfig): OutgoingTensor[] {
  if (config.ropeScaling.type !== 'llama3') return []
  const bytes = new Uint8Array(factorsOf(config.ropeScaling, config).buffer)
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield bytes
  }
  return [{ name: ropeFactorsName, shape: [config.headDim / 2], dtype: 'f32', byteLength: bytes.length, pieces }]
}

/** llama.cpp's name of a tensor, by Hugging Face's. */
export function ggufName(name: string): string {
  const [, layer, part, kind] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? []
  const own = part === undefined ? undefined : keyOf(parts, part)
  return (own === undefined ? keyOf(names, name) : `blk.${layer}.${own}.${kind}`) ?? name
}

function keyOf(table: Readonly<Record<string, string>>, value: string): string | undefined {
  return Object.keys(table).find((key) => table[key] === value)
}
