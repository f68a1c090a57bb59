// The families by models that people know: what their config.json says comes to as many parameters as their makers count.
import assert from 'node:assert/strict'
import { type LlamaConfig, parseConfig, tensorShapes } from 'drafthorse/model'

const llama = { model_type: 'llama', hidden_size: 4096, num_hidden_layers: 32, num_attention_heads: 32 }
const llama3 = { rope_type: 'llama3', low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 }

interface Known {
  /** The keys of its config.json that matter. */
  readonly config: Record<string, unknown>
  /** Of its safetensors on the Hugging Face hub. */
  readonly parameters: number
  readonly has: Partial<LlamaConfig>
}

const known: Record<string, Known> = {
  'Llama 1 7B and Llama 2 7B': {
    config: { ...llama, intermediate_size: 11008, max_sequence_length: 2048, pad_token_id: -1 },
    parameters: 6_738_415_616,
    has: { ropeTheta: 10000, numKeyValueHeads: 32, slidingWindow: undefined },
  },
  'CodeLlama 7B': {
    config: { ...llama, intermediate_size: 11008, vocab_size: 32016, rope_theta: 1e6, rope_scaling: null },
    parameters: 6_738_546_688,
    has: { ropeTheta: 1e6, ropeScaling: { type: 'default' } },
  },
  'TinyLlama 1.1B': {
    config: {
      ...llama,
      hidden_size: 2048,
      intermediate_size: 5632,
      num_hidden_layers: 22,
      num_key_value_heads: 4,
      vocab_size: 32000,
    },
    parameters: 1_100_048_384,
    has: { headDim: 64 },
  },
  'Llama 3 8B': {
    config: { ...llama, intermediate_size: 14336, num_key_value_heads: 8, vocab_size: 128256, rope_theta: 5e5 },
    parameters: 8_030_261_248,
    has: { ropeTheta: 5e5, ropeScaling: { type: 'default' } },
  },
  'Llama 3.2 1B': {
    config: {
      ...llama,
      hidden_size: 2048,
      intermediate_size: 8192,
      num_hidden_layers: 16,
      num_key_value_heads: 8,
      head_dim: 64,
      vocab_size: 128256,
      tie_word_embeddings: true,
      rope_theta: 5e5,
      rope_scaling: { factor: 32, ...llama3 },
      eos_token_id: [128001, 128008, 128009],
    },
    parameters: 1_235_814_400,
    has: { eosTokenIds: [128001, 128008, 128009] },
  },
  'SmolLM2 135M': {
    config: {
      ...llama,
      hidden_size: 576,
      intermediate_size: 1536,
      num_hidden_layers: 30,
      num_attention_heads: 9,
      num_key_value_heads: 3,
      vocab_size: 49152,
      tie_word_embeddings: true,
      rope_theta: 100000,
      rope_interleaved: false,
    },
    parameters: 134_515_008,
    has: { ropeTheta: 100000, tieWordEmbeddings: true },
  },
  'Mistral 7B v0.1': {
    config: { ...llama, model_type: 'mistral', intermediate_size: 14336, num_key_value_heads: 8, sliding_window: 4096 },
    parameters: 7_241_732_096,
    has: { slidingWindow: 4096 },
  },
  'Mistral 7B v0.3': {
    config: {
      ...llama,
      model_type: 'mistral',
      intermediate_size: 14336,
      num_key_value_heads: 8,
      vocab_size: 32768,
      sliding_window: null,
      rope_theta: 1e6,
    },
    parameters: 7_248_023_552,
    has: { slidingWindow: undefined, ropeTheta: 1e6 },
  },
  'Qwen2.5 0.5B': {
    config: {
      model_type: 'qwen2',
      hidden_size: 896,
      intermediate_size: 4864,
      num_hidden_layers: 24,
      num_attention_heads: 14,
      num_key_value_heads: 2,
      vocab_size: 151936,
      tie_word_embeddings: true,
      rope_theta: 1e6,
      sliding_window: 32768,
      max_window_layers: 24,
      use_sliding_window: false,
    },
    parameters: 494_032_768,
    has: { slidingWindow: undefined, attentionBias: true, attentionOutputBias: false },
  },
  'Qwen3 0.6B': {
    config: {
      model_type: 'qwen3',
      hidden_size: 1024,
      intermediate_size: 3072,
      num_hidden_layers: 28,
      num_attention_heads: 16,
      num_key_value_heads: 8,
      head_dim: 128,
      vocab_size: 151936,
      tie_word_embeddings: true,
      attention_bias: false,
      rope_theta: 1e6,
      sliding_window: null,
      max_window_layers: 28,
      use_sliding_window: false,
    },
    parameters: 596_049_920,
    has: { qkNorm: true, headDim: 128, slidingWindow: undefined },
  },
}

describe('the families', () => {
  for (const [name, { config, parameters, has }] of Object.entries(known)) {
    it(`have ${name}, with all its ${parameters} parameters`, () => {
      const parsed = parseConfig(config, 'config.json')
      const sizes = [...tensorShapes(parsed).values()].map((shape) =>
        shape.reduce((product, size) => product * size, 1),
      )
      assert.equal(
        sizes.reduce((sum, size) => sum + size, 0),
        parameters,
      )
      assert.deepEqual(Object.fromEntries(Object.keys(has).map((key) => [key, parsed[key as keyof LlamaConfig]])), has)
    })
  }
})
