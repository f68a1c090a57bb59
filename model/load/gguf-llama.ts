// A model in a GGUF file, as llama.cpp's converter writes it: its metadata becomes a config, and its tensors get the names
// and the rope layout of Hugging Face. Mistral is written as a Llama there.

import { dequantize, storedType, storedTypes } from '../../engine/convert.ts'
import type { StoredDType } from '../../engine/dtype.ts'
import { DTypeError, ModelFormatError } from '../../engine/errors.ts'
import { type LlamaConfig, parseConfig } from '../config.ts'
import type { ModelType } from '../families.ts'
import type { StoredTensor } from './checkpoint.ts'
import { type ByteSource, type ModelFiles, openRequired } from './files.ts'
import { type GgufFile, type GgufTensor, type ParsedGguf, parseGguf } from './gguf.ts'
import { type JsonObject, quote } from './json.ts'
import { llama3Of, ropeFactorsName } from './rope-factors.ts'
import { toHalfSplit } from './rope-layout.ts'
import { kinds } from './sentencepiece.ts'

export interface GgufLlama {
  readonly config: LlamaConfig
  /** The config.json that says what the metadata does. */
  readonly configJson: JsonObject
  readonly tensors: ReadonlyMap<string, StoredTensor>
}

/** Opens a model in one GGUF file and reads its head; `source` is the caller's to close. */
export async function openGguf(
  files: ModelFiles,
  path: string,
): Promise<GgufLlama & { file: ParsedGguf; source: ByteSource }> {
  const source = await openRequired(files, path, 'is the model')
  try {
    const file = await parseGguf(source)
    const ropeFactors = await readRopeFactors(file, source.name)
    return { ...llamaOf(file, source.name, { ropeFactors, ends: await readEnds(file) }), file, source }
  } catch (error) {
    await source.close()
    throw error
  }
}

/**
 * `ropeFactors`: the values of the tensor "rope_freqs.weight", where the file has one. `ends`: ids of tokens that end texts,
 * beside those that the metadata names. Throws {@link ModelFormatError} for what
 * is of no family that runs, or a model that is not run yet.
 */
export function llamaOf(
  file: GgufFile,
  name: string,
  { ropeFactors, ends = [] }: { ropeFactors?: Float32Array | undefined; ends?: readonly number[] } = {},
): GgufLlama {
  const count = file.metadata.get('split.count')
  if (Number(count) > 1) throw new ModelFormatError(`${name} is one of ${quote(count)} parts of a model: ${howToMerge}`)
  const architecture = architectureOf(file, name)
  const configJson = configOf(file, { name, architecture, ropeFactors, ends })
  const config = parseConfig(configJson, `the metadata of ${name}`)
  const tensors = new Map<string, StoredTensor>()
  for (const tensor of file.tensors.values()) {
    if (tensor.name === ropeFactorsName) continue
    const known = nameOf(tensor.name)
    tensors.set(known, weight(tensor, { name: known, config }))
  }
  return { config, configJson, tensors }
}

/** What ends a turn or a text, as llama.cpp tells it by its text: the metadata of many a file names one of them alone. */
const endTexts: ReadonlySet<unknown> = new Set([
  '<|eot_id|>',
  '<|eom_id|>',
  '<|end_of_text|>',
  '<|im_end|>',
  '<|endoftext|>',
  '<|end|>',
  '<end_of_turn>',
  '<end_of_utterance>',
  '<EOT>',
  '_<EOT>',
  '</s>',
])

/** The ids of control tokens with such texts. */
async function readEnds({ metadata }: GgufFile): Promise<readonly number[]> {
  const [tokens, kindOf] = ['tokens', 'token_type'].map((key) => metadata.get(`tokenizer.ggml.${key}`))
  if (typeof tokens !== 'object' || typeof kindOf !== 'object') return []
  const control = await kindOf.read()
  const texts = await tokens.read()
  return texts.flatMap((text, id) => (control[id] === kinds.control && endTexts.has(text) ? [id] : []))
}

async function readRopeFactors(file: GgufFile, name: string): Promise<Float32Array | undefined> {
  const tensor = file.tensors.get(ropeFactorsName)
  if (!tensor) return undefined
  if (tensor.type === 'F32') return dequantize(tensor.type, await tensor.read())
  throw new ModelFormatError(`${name} has "${ropeFactorsName}" as ${tensor.type}; expected F32`)
}

function weight(tensor: GgufTensor, { name, config }: { name: string; config: LlamaConfig }): StoredTensor {
  const { type, shape } = tensor
  const isRotated = isPaired(name, config) && shape[0]! % config.headDim === 0
  function dtype(): StoredDType {
    const known = storedType(type)
    if (known) return known
    throw new DTypeError(
      `tensor ${quote(tensor.name)} is ${type}; weights are read from ${storedTypes.join(', ').toUpperCase()}: quantise the model anew`,
    )
  }
  return {
    name,
    shape,
    start: tensor.start,
    get dtype() {
      return dtype()
    },
    async read() {
      dtype()
      const bytes = await tensor.read()
      return isRotated ? toHalfSplit(bytes, { rows: shape[0]!, headDim: config.headDim }) : bytes
    },
  }
}

/** Whether llama.cpp has a tensor's rows in pairs that rope rotates, as it has those of its Llamas; by Hugging Face's name. */
export function isPaired(name: string, { modelType }: LlamaConfig): boolean {
  return ggufArchitecture(modelType) === 'llama' && /\.self_attn\.[qk]_proj\./.test(name)
}

/** Hugging Face's names of the parts of a layer, by llama.cpp's. */
export const parts: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k: 'self_attn.k_proj',
  attn_k_norm: 'self_attn.k_norm',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
}

/** Its names of the other tensors. */
export const names: Readonly<Record<string, string>> = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
}

/** A name that no model has stays what it is. */
function nameOf(name: string): string {
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? []
  if (part !== undefined && Object.hasOwn(parts, part)) return `model.layers.${Number(layer)}.${parts[part]}.${kind}`
  return Object.hasOwn(names, name) ? names[name]! : name
}

/** As "general.architecture" calls what llama.cpp writes of the families. */
type Architecture = Exclude<ModelType, 'mistral'>

/** What llama.cpp writes a family as. */
export function ggufArchitecture(modelType: ModelType): Architecture {
  return modelType === 'mistral' ? 'llama' : modelType
}

const architectures: readonly Architecture[] = ['llama', 'qwen2', 'qwen3']

function architectureOf({ metadata }: GgufFile, name: string): Architecture {
  const given = metadata.get('general.architecture')
  const architecture = architectures.find((known) => known === given)
  if (architecture) return architecture
  throw new ModelFormatError(
    `${name} is a ${quote(given)} model; Drafthorse runs those whose "general.architecture" is ${architectures.join(', ')}`,
  )
}

function configOf(
  { metadata, tensors }: GgufFile,
  options: {
    name: string
    architecture: Architecture
    ropeFactors: Float32Array | undefined
    ends: readonly number[]
  },
): JsonObject {
  const { name, architecture, ropeFactors } = options
  const value = (key: string): unknown => metadata.get(`${architecture}.${key}`)
  const needed = (key: string): unknown => {
    if (value(key) !== undefined) return value(key)
    throw new ModelFormatError(`${name} has no "${architecture}.${key}" in its metadata, which every model has`)
  }
  for (const [key, expected] of refused) {
    if (!value(key)) continue
    throw new ModelFormatError(`${name} has "${architecture}.${key}" ${quote(value(key))}; expected ${expected}`)
  }
  const window = value('attention.sliding_window') || null
  const heads = needed('attention.head_count')
  const hidden = needed('embedding_length')
  const headDim = value('attention.key_length') ?? (typeof hidden === 'number' ? hidden / Number(heads) : undefined)
  const rotated = value('rope.dimension_count') ?? headDim
  if (rotated !== headDim) {
    throw new ModelFormatError(
      `${name} rotates ${quote(rotated)} values of heads of ${quote(headDim)}, not all of them`,
    )
  }
  const id = (key: string): unknown => metadata.get(`tokenizer.ggml.${key}_token_id`)
  const named = [id('eos'), id('eot'), id('eom')].filter((end) => end !== undefined)
  const vocabSize = tensors.get('token_embd.weight')?.shape[0]
  const others = options.ends.filter((end) => vocabSize !== undefined && end < vocabSize)
  const ropeTheta = value('rope.freq_base') ?? 10000
  return {
    model_type: architecture === 'llama' && window !== null ? 'mistral' : architecture,
    vocab_size: vocabSize,
    hidden_size: hidden,
    intermediate_size: needed('feed_forward_length'),
    num_hidden_layers: needed('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: value('attention.head_count_kv') ?? heads,
    head_dim: headDim,
    max_position_embeddings: needed('context_length'),
    rms_norm_eps: needed('attention.layer_norm_rms_epsilon'),
    rope_theta: ropeTheta,
    rope_scaling: ropeFactors
      ? llama3Scaling(ropeFactors, { headDim: Number(headDim), ropeTheta: Number(ropeTheta) }, name)
      : scalingOf(value, name),
    tie_word_embeddings: !tensors.has('output.weight'),
    attention_bias: tensors.has('blk.0.attn_q.bias'),
    mlp_bias: tensors.has('blk.0.ffn_up.bias'),
    sliding_window: window,
    use_sliding_window: window !== null,
    max_window_layers: 0,
    bos_token_id: id('bos') ?? null,
    eos_token_id: [...new Set([...named, ...others])],
    dtype: 'float32',
  }
}

/** What to do with the parts of a model that was split into several files. */
export const howToMerge = 'merge them by "llama-gguf-split --merge FIRST-PART MERGED.gguf", and load that'

/** Metadata of models that are put together otherwise. */
const refused = [
  ['expert_count', 'no experts'],
  ['attention.sliding_window_pattern', 'layers that all see the same window'],
] as const
function llama3Scaling(
  factors: Float32Array,
  rope: { headDim: number; ropeTheta: number },
  name: string,
): JsonObject | null {
  const scaling = llama3Of(factors, rope, `"${ropeFactorsName}" of ${name}`)
  return scaling
    ? {
        rope_type: 'llama3',
        factor: scaling.factor,
        low_freq_factor: scaling.lowFreqFactor,
        high_freq_factor: scaling.highFreqFactor,
        original_max_position_embeddings: scaling.originalMaxPositionEmbeddings,
      }
    : null
}

function scalingOf(value: (key: string) => unknown, name: string): unknown {
  const type = value('rope.scaling.type') ?? (value('rope.scale_linear') === undefined ? 'none' : 'linear')
  if (type === 'none') return null
  if (type === 'linear') return { type, factor: value('rope.scaling.factor') ?? value('rope.scale_linear') }
  throw new ModelFormatError(
    `${name}: rope scaling of type ${quote(type)} is not supported; supported are none, linear`,
  )
}
