// Small models in every format, each some kilobytes, to be damaged.
import { readFileSync } from 'node:fs'
import { memoryFiles } from '../../model/load/files.ts'
import { convertModel } from '../../model/save/convert.ts'
import { memorySink } from '../../model/save/sink.ts'
import { json, repository, safetensors } from '../model/load/fixtures.ts'
import { byteTokenizer } from '../model/save/byte-tokenizer.ts'

export interface Seed {
  readonly files: Readonly<Record<string, Uint8Array>>
  /** The file that is the whole model, for formats of one file. */
  readonly file?: string
}

const config = {
  model_type: 'llama',
  vocab_size: 300,
  hidden_size: 32,
  intermediate_size: 32,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 64,
  tie_word_embeddings: true,
  rope_scaling: {
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 64,
  },
  torch_dtype: 'float32',
}

/** Bytes, merges of some letters, and a token that texts begin with. */
function tokenizer(): object {
  return {
    ...byteTokenizer(['t h', 'th e', 'o n', 'i n', 'in g', 'c e', 'on ce', '\u0120 a', '\u0120 the']),
    added_tokens: [
      { id: 290, content: '<s>', special: true, single_word: false, lstrip: false, rstrip: false, normalized: false },
    ],
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [290], tokens: ['<s>'] } },
    },
  }
}

function weights(): Uint8Array {
  const shapes: Record<string, number[]> = {
    'model.embed_tokens.weight': [300, 32],
    'model.norm.weight': [32],
  }
  const layer = 'model.layers.0'
  for (const name of ['q_proj', 'o_proj']) shapes[`${layer}.self_attn.${name}.weight`] = [32, 32]
  for (const name of ['k_proj', 'v_proj']) shapes[`${layer}.self_attn.${name}.weight`] = [16, 32]
  for (const name of ['gate_proj', 'up_proj', 'down_proj']) shapes[`${layer}.mlp.${name}.weight`] = [32, 32]
  for (const name of ['input', 'post_attention']) shapes[`${layer}.${name}_layernorm.weight`] = [32]
  const header: Record<string, object> = { __metadata__: { format: 'pt' } }
  let end = 0
  for (const [name, shape] of Object.entries(shapes)) {
    const begin = end
    end += 2 * shape.reduce((product, size) => product * size, 1)
    header[name] = { dtype: 'BF16', shape, data_offsets: [begin, end] }
  }
  return safetensors(
    header,
    Uint8Array.from({ length: end }, (_, i) => (i % 2 === 0 ? i % 251 : 0x3c)),
  )
}

/** A llama2.c file with weights of zeros, and the vocabulary of stories260K. */
export function llama2cSeed(): Seed {
  const [dim, hidden, layers, heads, kvHeads, vocab, context] = [8, 16, 1, 2, 1, 512, 16] as const
  const head = dim / heads
  const kv = kvHeads * head
  const layer = 2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * dim * hidden
  const count = vocab * dim + layers * layer + dim + context * head
  const bytes = new Uint8Array(28 + 4 * count)
  bytes.set(new Uint8Array(Int32Array.of(dim, hidden, layers, heads, kvHeads, vocab, context).buffer))
  const tokenizer = Uint8Array.from(readFileSync(repository('test/oracles/stories260K/tok512.bin')))
  return { files: { 'x.bin': bytes, 'tok512.bin': tokenizer }, file: 'x.bin' }
}

/** Without a tokenizer, which takes most of the time that a case does. */
export function weightsSeed(): Seed {
  const measured = { backend: 'reference', dtype: 'f32', threads: 1, draft: 0.5, verify: [1, 1.5] }
  return {
    files: {
      'config.json': json(config),
      'generation_config.json': json({ eos_token_id: [0, 1] }),
      'skip_layers.json': json({ x: { attention: [0], mlp: [], costs: [measured], survival: [0.75, 0.5] } }),
      'model.safetensors': weights(),
    },
  }
}

export function folderSeed(): Seed {
  const tokenizerFiles = {
    'tokenizer.json': json(tokenizer()),
    'tokenizer_config.json': json({ bos_token: '<s>', additional_special_tokens: ['<s>'] }),
  }
  return { files: { ...weightsSeed().files, ...tokenizerFiles } }
}

/** The seed in another format. */
async function inFormat(seed: Seed, options: Parameters<typeof convertModel>[2]): Promise<Seed> {
  const sink = memorySink('x')
  await convertModel(memoryFiles('x', seed.files, seed.file === undefined ? {} : { file: seed.file }), sink, options)
  return options?.format === 'gguf' ? { files: sink.files, file: 'x.gguf' } : { files: sink.files }
}

export const shardedSeed = (): Promise<Seed> => inFormat(weightsSeed(), { shardBytes: 20_000 })
export const ggufSeed = (): Promise<Seed> => inFormat(folderSeed(), { format: 'gguf', dtype: 'q8_0' })
/** With SentencePiece's vocabulary. */
export const scoredGgufSeed = (): Promise<Seed> => inFormat(llama2cSeed(), { format: 'gguf' })
export const tfjsSeed = (): Promise<Seed> =>
  inFormat(weightsSeed(), { format: 'tfjs', dtype: 'uint8', shardBytes: 9000 })
export const tokenizerOf = (seed: Seed): Promise<Seed> => inFormat(seed, {})
