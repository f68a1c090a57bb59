// The families that run: Llama, and those whose blocks are Llama's but for a bias, a norm or a window.

/** As the key "model_type" of config.json calls them. */
export type ModelType = 'llama' | 'mistral' | 'qwen2' | 'qwen3'

/** What sets a family apart, as transformers has it. */
export interface Family {
  /** Its name in "architectures" of config.json. */
  readonly architecture: string
  /** What keys that are absent from config.json stand for. */
  readonly defaults: Readonly<Record<string, number>>
  /** Which maps of attention have biases: "attention_bias" says whether all, or it is for the family to say. */
  readonly biases: 'configured' | 'none' | 'query, key and value'
  readonly mlpBias: 'configured' | 'none'
  /** Whether the queries and keys of each head are normed before they are rotated. */
  readonly qkNorm: boolean
  /** Whether attention may see a window: where "sliding_window" gives one, where "use_sliding_window" allows it as well. */
  readonly window: 'none' | 'given' | 'allowed'
}

const large = { hidden_size: 4096, num_hidden_layers: 32, num_attention_heads: 32, rms_norm_eps: 1e-6 }
const qwen = { ...large, vocab_size: 151936, intermediate_size: 22016, num_key_value_heads: 32 }

export const families: Readonly<Record<ModelType, Family>> = {
  llama: {
    architecture: 'LlamaForCausalLM',
    defaults: {
      ...large,
      vocab_size: 32000,
      intermediate_size: 11008,
      max_position_embeddings: 2048,
      bos_token_id: 1,
      eos_token_id: 2,
    },
    biases: 'configured',
    mlpBias: 'configured',
    qkNorm: false,
    window: 'none',
  },
  mistral: {
    architecture: 'MistralForCausalLM',
    defaults: {
      ...large,
      vocab_size: 32000,
      intermediate_size: 14336,
      num_key_value_heads: 8,
      max_position_embeddings: 131072,
      sliding_window: 4096,
      bos_token_id: 1,
      eos_token_id: 2,
    },
    biases: 'none',
    mlpBias: 'none',
    qkNorm: false,
    window: 'given',
  },
  qwen2: {
    architecture: 'Qwen2ForCausalLM',
    defaults: { ...qwen, max_position_embeddings: 32768, sliding_window: 4096, max_window_layers: 28 },
    biases: 'query, key and value',
    mlpBias: 'none',
    qkNorm: false,
    window: 'allowed',
  },
  qwen3: {
    architecture: 'Qwen3ForCausalLM',
    defaults: { ...qwen, head_dim: 128, max_position_embeddings: 32768, sliding_window: 4096, max_window_layers: 28 },
    biases: 'configured',
    mlpBias: 'none',
    qkNorm: true,
    window: 'allowed',
  },
}
