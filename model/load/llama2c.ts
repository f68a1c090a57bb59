// Models of karpathy/llama2.c (the "version 0" export): seven numbers, then f32 weights in a fixed order. They are given
// out under the names, and in the rope layout, of Hugging Face.

import { ModelFormatError } from '../../engine/errors.ts'
import { type LlamaConfig, parseConfig } from '../config.ts'
import { type ByteSource, type ModelFiles, openRequired, startBytes } from './files.ts'
import type { JsonObject } from './json.ts'
import { llama2cTokenizerJson } from './llama2c-tokenizer.ts'
import { toHalfSplit } from './rope-layout.ts'
import type { TokenizerFiles } from './sentencepiece.ts'

const headerBytes = 28

/** One tensor of the file, f32, not read yet. */
export interface Llama2cTensor {
  readonly name: string
  readonly shape: readonly number[]
  /** Reads its bytes, little-endian f32, row-major. */
  read(): Promise<Uint8Array>
  /** Reads the first `startBytes` of what the file holds at most. */
  start(): Promise<Uint8Array>
}

export interface Llama2cFile {
  readonly config: LlamaConfig
  /** The config.json that says what the header does. */
  readonly configJson: JsonObject
  readonly tensors: ReadonlyMap<string, Llama2cTensor>
}

/**
 * Reads the header of a llama2.c file and lays out its tensors. The sizes that the header claims must add up to the file's
 * length exactly. Throws {@link ModelFormatError}. The source must stay open as long as tensors are read.
 */
export async function parseLlama2c(source: ByteSource): Promise<Llama2cFile> {
  const configJson = await parseHeader(source)
  const config = parseConfig(configJson, `the header of ${source.name} (not a llama2.c file?)`)
  const parts = layout(config)
  const end = parts.reduce((at, { copies, shape }) => at + copies * byteLength(shape), headerBytes)
  if (end !== source.size) {
    throw new ModelFormatError(
      `${source.name} has ${source.size} bytes, but a llama2.c file with its header has ${end}: it is truncated, damaged or of another kind`,
    )
  }
  const tensors = new Map<string, Llama2cTensor>()
  let at = headerBytes
  for (const { name, copies, shape, rotated } of parts) {
    for (let copy = 0; copy < copies; copy++) {
      const [offset, length] = [at, byteLength(shape)]
      at += length
      if (name === undefined) continue
      const full = name.replace('*', `${copy}`)
      const read = () => source.read(offset, length)
      const start = () => source.read(offset, Math.min(length, startBytes))
      const inLayout = rotated
        ? async () => toHalfSplit(await read(), { rows: shape[0]!, headDim: config.headDim })
        : read
      tensors.set(full, { name: full, shape, read: inLayout, start })
    }
  }
  return { config, configJson, tensors }
}

/** What follows the header: `copies` tensors of one shape each. */
interface Part {
  /** Hugging Face's name, `*` standing for the layer; `undefined` for what is not used. */
  readonly name: string | undefined
  readonly copies: number
  readonly shape: readonly number[]
  /** Whether its rows are rotated by rope. */
  readonly rotated?: boolean
}

function layout(config: LlamaConfig): readonly Part[] {
  const { vocabSize, hiddenSize, intermediateSize, numHiddenLayers: copies, headDim } = config
  const kvSize = config.numKeyValueHeads * headDim
  const layer = 'model.layers.*'
  const head: Part = { name: 'lm_head.weight', copies: 1, shape: [vocabSize, hiddenSize] }
  return [
    { name: 'model.embed_tokens.weight', copies: 1, shape: [vocabSize, hiddenSize] },
    { name: `${layer}.input_layernorm.weight`, copies, shape: [hiddenSize] },
    { name: `${layer}.self_attn.q_proj.weight`, copies, shape: [hiddenSize, hiddenSize], rotated: true },
    { name: `${layer}.self_attn.k_proj.weight`, copies, shape: [kvSize, hiddenSize], rotated: true },
    { name: `${layer}.self_attn.v_proj.weight`, copies, shape: [kvSize, hiddenSize] },
    { name: `${layer}.self_attn.o_proj.weight`, copies, shape: [hiddenSize, hiddenSize] },
    { name: `${layer}.post_attention_layernorm.weight`, copies, shape: [hiddenSize] },
    { name: `${layer}.mlp.gate_proj.weight`, copies, shape: [intermediateSize, hiddenSize] },
    { name: `${layer}.mlp.down_proj.weight`, copies, shape: [hiddenSize, intermediateSize] },
    { name: `${layer}.mlp.up_proj.weight`, copies, shape: [intermediateSize, hiddenSize] },
    { name: 'model.norm.weight', copies: 1, shape: [hiddenSize] },
    { name: undefined, copies: 2, shape: [config.maxPositionEmbeddings, headDim / 2] }, // rope's cosines and sines
    ...(config.tieWordEmbeddings ? [] : [head]),
  ]
}

function byteLength(shape: readonly number[]): number {
  return 4 * shape.reduce((product, dimension) => product * dimension, 1)
}

/**
 * The tokenizer.json that stands for llama2.c's own tokenizer file, or `undefined` if there is none: `tok<N>.bin`, N being
 * the vocabulary's size, or `tokenizer.bin`, beside the model. Throws {@link ModelFormatError}.
 */
export async function readLlama2cTokenizer(files: ModelFiles, vocabSize: number): Promise<TokenizerFiles | undefined> {
  for (const path of [`tok${vocabSize}.bin`, 'tokenizer.bin']) {
    const source = await files.open(path)
    if (!source) continue
    try {
      return await llama2cTokenizerJson(source, vocabSize)
    } finally {
      await source.close()
    }
  }
  return undefined
}

/** Opens the model's `.bin` file and reads its header; `source` is the caller's to close. */
export async function openLlama2c(files: ModelFiles, path: string): Promise<Llama2cFile & { source: ByteSource }> {
  const source = await openRequired(files, path, 'is the model')
  try {
    return { ...(await parseLlama2c(source)), source }
  } catch (error) {
    await source.close()
    throw error
  }
}

async function parseHeader(source: ByteSource): Promise<JsonObject> {
  const { name, size } = source
  const bytes = await source.read(0, Math.min(headerBytes, size))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const magic = size >= 4 ? view.getUint32(0, true) : 0
  // torch.save's archives, and pickles: a width may end in the same byte, but none is that large.
  const isPickle = (magic & 0xff) === 0x80 && magic >= 2 ** 16
  if (magic === 0x04034b50 || isPickle) {
    throw new ModelFormatError(`${name} is a PyTorch checkpoint; convert the model to safetensors, and open its folder`)
  }
  if (magic === 0x616b3432) {
    throw new ModelFormatError(
      `${name} is a llama2.c file of version ${view.getInt32(4, true)}; export it as version 0`,
    )
  }
  if (size < headerBytes)
    throw new ModelFormatError(`${name} has ${size} bytes; a llama2.c file has a header of ${headerBytes}`)

  const [dim, hiddenDim, layers, heads, kvHeads, vocab, seqLen] = Array.from({ length: 7 }, (_, i) =>
    view.getInt32(4 * i, true),
  )
  return {
    model_type: 'llama',
    hidden_size: dim,
    intermediate_size: hiddenDim,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    vocab_size: Math.abs(vocab!),
    max_position_embeddings: seqLen,
    tie_word_embeddings: vocab! > 0, // a negative size says that the classifier has weights of its own
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    bos_token_id: 1,
    // llama2.c stops at token 1: its training texts follow each other, each begun by that token, and none ends with 2.
    eos_token_id: [1, 2],
    dtype: 'float32',
  }
}
