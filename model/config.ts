// A model's config, read from Hugging Face's config.json. Every number is checked: files come from strangers, and memory is
// taken by these.

import type { StoredDType } from '../engine/dtype.ts'
import { ModelFormatError } from '../engine/errors.ts'
import { type Family, families, type ModelType } from './families.ts'
import { asObject, describe, isObject, type JsonObject, quote } from './load/json.ts'

/** How rope's angles are stretched for contexts longer than those trained on. */
export type RopeScaling =
  | { readonly type: 'default' }
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3'
      readonly factor: number
      readonly lowFreqFactor: number
      readonly highFreqFactor: number
      /** Positions. */
      readonly originalMaxPositionEmbeddings: number
    }

export interface LlamaConfig {
  readonly modelType: ModelType
  readonly vocabSize: number
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly numHiddenLayers: number
  readonly numAttentionHeads: number
  /** Divides `numAttentionHeads`. */
  readonly numKeyValueHeads: number
  /** Even. */
  readonly headDim: number
  /** Positions. Memory must not be taken by it alone: a file may claim any context. */
  readonly maxPositionEmbeddings: number
  readonly rmsNormEps: number
  readonly ropeTheta: number
  readonly ropeScaling: RopeScaling
  readonly tieWordEmbeddings: boolean
  /** Of queries, keys and values. */
  readonly attentionBias: boolean
  readonly attentionOutputBias: boolean
  readonly mlpBias: boolean
  /** Whether the queries and keys of each head are normed before rope. */
  readonly qkNorm: boolean
  /** Positions that a row attends to, its own the last of them; `undefined` for all. */
  readonly slidingWindow: number | undefined
  readonly bosTokenId: number | undefined
  /** Ids that end a text; may be empty. */
  readonly eosTokenIds: readonly number[]
  /** The type that the config names; each tensor has its own. */
  readonly storedDType: StoredDType
}

/** The largest values that are believed: well above those of any model, and small enough that products stay exact. */
const largest = {
  vocab_size: 2 ** 24,
  hidden_size: 2 ** 20,
  intermediate_size: 2 ** 22,
  num_hidden_layers: 2 ** 14,
  num_attention_heads: 2 ** 14,
  num_key_value_heads: 2 ** 14,
  head_dim: 2 ** 14,
  max_position_embeddings: 2 ** 30,
  original_max_position_embeddings: 2 ** 30,
  sliding_window: 2 ** 30,
} as const

const dtypes: ReadonlyMap<unknown, StoredDType> = new Map([
  ['float32', 'f32'],
  ['float16', 'f16'],
  ['bfloat16', 'bf16'],
])

const modelTypes = Object.keys(families) as ModelType[] // the keys are these, as the type of families says

/** The part of generation_config.json that counts: there, `eos_token_id` has the last word. */
export interface ConfigOptions {
  readonly generationConfig?: { readonly json: unknown; readonly where: string } | undefined
}

/**
 * Reads a config.json; keys that are absent have the defaults that transformers has for the family. `where` names it in
 * messages. Throws {@link ModelFormatError} naming the key, or the kind of model when it is of no family that runs.
 */
export function parseConfig(json: unknown, where: string, options: ConfigOptions = {}): LlamaConfig {
  const given = asObject(json, where)
  const modelType = parseModelType(given, where)
  const family = families[modelType]
  const config = { ...family.defaults, ...given }
  checkKind(config, where)
  const vocabSize = size(config, 'vocab_size', { where })
  const hiddenSize = size(config, 'hidden_size', { where })
  const numHiddenLayers = size(config, 'num_hidden_layers', { where })
  const numAttentionHeads = size(config, 'num_attention_heads', { where })
  const numKeyValueHeads = size(config, 'num_key_value_heads', { where, absent: numAttentionHeads })
  const headDim = size(config, 'head_dim', { where, absent: hiddenSize / numAttentionHeads })
  if (numAttentionHeads % numKeyValueHeads !== 0) {
    throw bad(
      where,
      'num_key_value_heads',
      `${numKeyValueHeads}`,
      `a divisor of num_attention_heads, ${numAttentionHeads}`,
    )
  }
  if (headDim % 2 !== 0) throw bad(where, 'head_dim', `${headDim}`, 'an even number, since rope rotates pairs')
  const generation = options.generationConfig
  const configured = flag(config, 'attention_bias', where)
  return {
    modelType,
    vocabSize,
    hiddenSize,
    intermediateSize: size(config, 'intermediate_size', { where }),
    numHiddenLayers,
    numAttentionHeads,
    numKeyValueHeads,
    headDim,
    maxPositionEmbeddings: size(config, 'max_position_embeddings', { where }),
    rmsNormEps: positive(config, 'rms_norm_eps', { where }),
    ...parseRope(config, where),
    tieWordEmbeddings: flag(config, 'tie_word_embeddings', where),
    attentionBias: family.biases === 'configured' ? configured : family.biases === 'query, key and value',
    attentionOutputBias: family.biases === 'configured' && configured,
    mlpBias: flag(config, 'mlp_bias', where) && family.mlpBias === 'configured',
    qkNorm: family.qkNorm,
    slidingWindow: parseWindow(config, family, { numHiddenLayers, where }),
    bosTokenId: tokenIds(given, 'bos_token_id', { vocabSize, where, absent: family.defaults['bos_token_id'] })[0],
    eosTokenIds:
      (generation && generationEnds(generation, vocabSize)) ??
      tokenIds(given, 'eos_token_id', { vocabSize, where, absent: family.defaults['eos_token_id'] }),
    storedDType: parseDType(config, where),
  }
}

function parseModelType({ model_type: type, architectures }: JsonObject, where: string): ModelType {
  for (const known of modelTypes) {
    const { architecture } = families[known]
    if (type === known || (type === undefined && Array.isArray(architectures) && architectures.includes(architecture)))
      return known
  }
  const kind = type === undefined ? `${where} has no "model_type"` : `${where}: this is a ${quote(type)} model`
  throw new ModelFormatError(`${kind}; Drafthorse runs ${modelTypes.join(', ')}`)
}

function checkKind(config: JsonObject, where: string): void {
  const { hidden_act: activation = 'silu', quantization_config: quantization } = config
  if (activation !== 'silu') throw bad(where, 'hidden_act', quote(activation), '"silu"')
  if (quantization !== undefined && quantization !== null) {
    const method = isObject(quantization) ? quantization['quant_method'] : quantization
    throw new ModelFormatError(
      `${where}: the weights are quantised (${quote(method)}); expected f32, f16 or bf16 weights`,
    )
  }
}

/** One window for all layers, or none. */
function parseWindow(
  config: JsonObject,
  family: Family,
  { numHiddenLayers, where }: { numHiddenLayers: number; where: string },
): number | undefined {
  const allowed =
    family.window === 'given' || (family.window === 'allowed' && flag(config, 'use_sliding_window', where))
  if (!allowed || config['sliding_window'] == null) return undefined
  const window = size(config, 'sliding_window', { where })
  const layers = windowedLayers(config, numHiddenLayers, where)
  if (layers === 0) return undefined
  if (layers === numHiddenLayers) return window
  throw new ModelFormatError(
    `${where}: attention sees a window in ${layers} of ${numHiddenLayers} layers; supported is one in all or in none`,
  )
}

function windowedLayers(config: JsonObject, numHiddenLayers: number, where: string): number {
  const types = config['layer_types'] ?? null
  if (types === null) {
    const first = config['max_window_layers'] ?? 0
    if (typeof first !== 'number' || !Number.isSafeInteger(first) || first < 0) {
      throw bad(where, 'max_window_layers', describe(first), 'a whole number from 0')
    }
    return Math.max(0, numHiddenLayers - first)
  }
  if (!Array.isArray(types) || types.length !== numHiddenLayers) {
    throw bad(where, 'layer_types', describe(types), `a list of ${numHiddenLayers}, a word for each layer`)
  }
  const other = types.find((type) => type !== 'full_attention' && type !== 'sliding_attention')
  if (other !== undefined) throw bad(where, 'layer_types', quote(other), '"full_attention" or "sliding_attention"')
  return types.filter((type) => type === 'sliding_attention').length
}

function parseRope(config: JsonObject, where: string): Pick<LlamaConfig, 'ropeTheta' | 'ropeScaling'> {
  // transformers 4 writes rope_theta and rope_scaling, 5 writes both in rope_parameters; where both are, the former counts.
  const key = config['rope_scaling'] != null ? 'rope_scaling' : 'rope_parameters'
  const inside = `"${key}" of ${where}`
  const rope = config[key] == null ? {} : asObject(config[key], inside)
  const nested = Object.keys(rope).find((name) => isObject(rope[name]))
  if (nested !== undefined)
    throw new ModelFormatError(`${inside} differs by layer (${quote(nested)}), which no Llama does`)
  for (const [object, place] of [
    [rope, inside],
    [config, where],
  ] as const) {
    const share = object['partial_rotary_factor'] ?? 1
    if (share !== 1) throw bad(place, 'partial_rotary_factor', describe(share), '1: a Llama rotates whole heads')
  }
  const theta = positive(config, 'rope_theta', { where, absent: 10000 })
  return {
    ropeTheta: positive(rope, 'rope_theta', { where: inside, absent: theta }),
    ropeScaling: parseScaling(rope, inside),
  }
}

function parseScaling(rope: JsonObject, where: string): RopeScaling {
  const type: unknown = rope['rope_type'] ?? rope['type'] ?? 'default'
  const factor = () => positive(rope, 'factor', { where })
  switch (type) {
    case 'default':
      return { type: 'default' }
    case 'linear':
      return { type: 'linear', factor: factor() }
    case 'llama3': {
      const lowFreqFactor = positive(rope, 'low_freq_factor', { where })
      const highFreqFactor = positive(rope, 'high_freq_factor', { where })
      if (highFreqFactor <= lowFreqFactor) {
        throw bad(where, 'high_freq_factor', `${highFreqFactor}`, `more than low_freq_factor, ${lowFreqFactor}`)
      }
      const originalMaxPositionEmbeddings = size(rope, 'original_max_position_embeddings', { where })
      return { type: 'llama3', factor: factor(), lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings }
    }
    default:
      throw new ModelFormatError(
        `${where}: rope type ${quote(type)} is not supported; supported are default, linear, llama3`,
      )
  }
}

function parseDType(config: JsonObject, where: string): StoredDType {
  const key = config['dtype'] != null ? 'dtype' : 'torch_dtype'
  const name = config[key] ?? 'float32'
  const dtype = dtypes.get(typeof name === 'string' ? name.replace(/^torch\./, '') : name)
  if (!dtype) throw bad(where, key, describe(name), [...dtypes.keys()].join(', '))
  return dtype
}

/** `undefined` where the file does not say. */
function generationEnds(
  { json, where }: { json: unknown; where: string },
  vocabSize: number,
): readonly number[] | undefined {
  const generation = asObject(json, where)
  if (generation['eos_token_id'] == null) return undefined
  return tokenIds(generation, 'eos_token_id', { where, vocabSize, absent: undefined })
}

/** A whole number from 1 on. `absent` stands for a key that is null, or missing and without a default. */
function size(object: JsonObject, key: keyof typeof largest, options: { where: string; absent?: number }): number {
  const value = object[key] ?? options.absent
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= largest[key]) return value
  throw bad(options.where, key, describe(value), `a whole number from 1 to ${largest[key]}`)
}

function positive(object: JsonObject, key: string, options: { where: string; absent?: number }): number {
  const value = object[key] ?? options.absent
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
  throw bad(options.where, key, describe(value), 'a positive number')
}

function flag(object: JsonObject, key: string, where: string): boolean {
  const value = object[key] ?? false
  if (typeof value === 'boolean') return value
  throw bad(where, key, describe(value), 'true or false')
}

/** One id or a list of ids; null means none. */
function tokenIds(
  object: JsonObject,
  key: string,
  { where, vocabSize, absent }: { where: string; vocabSize: number; absent: number | undefined },
): readonly number[] {
  const value = object[key]
  if (value === undefined) return absent !== undefined && absent < vocabSize ? [absent] : []
  const ids: readonly unknown[] = value === null ? [] : Array.isArray(value) ? value : [value]
  const valid = ids.filter((id): id is number => Number.isSafeInteger(id) && Number(id) >= 0 && Number(id) < vocabSize)
  if (valid.length !== ids.length) throw bad(where, key, quote(value), `token ids from 0 to ${vocabSize - 1}`)
  return [...new Set(valid)]
}

function bad(where: string, key: string, found: string, expected: string): ModelFormatError {
  return new ModelFormatError(`${where}: "${key}" is ${found}; expected ${expected}`)
}
