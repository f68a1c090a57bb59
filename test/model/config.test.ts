// Configs: what transformers' defaults and spellings mean, and what is refused.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { ModelFormatError } from '../../engine/errors.ts'
import { parseConfig } from '../../model/config.ts'
import { type CheckpointName, oracleFolder } from '../checkpoint-data.ts'
import { repository } from './load/fixtures.ts'

const base = {
  model_type: 'llama',
  vocab_size: 320,
  hidden_size: 64,
  intermediate_size: 160,
  num_hidden_layers: 4,
  num_attention_heads: 4,
}

function parse(changes: Record<string, unknown> = {}, generation?: unknown): ReturnType<typeof parseConfig> {
  const options =
    generation === undefined ? {} : { generationConfig: { json: generation, where: 'generation_config.json' } }
  return parseConfig({ ...base, ...changes }, 'config.json', options)
}

function refused(run: () => unknown, ...parts: RegExp[]): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof ModelFormatError, String(error))
    for (const part of parts) assert.match(error.message, part)
    return true
  })
}

describe('parseConfig', () => {
  it('has the defaults of transformers where keys are absent or null', () => {
    const expected = {
      modelType: 'llama',
      vocabSize: 320,
      hiddenSize: 64,
      intermediateSize: 160,
      numHiddenLayers: 4,
      numAttentionHeads: 4,
      numKeyValueHeads: 4,
      headDim: 16,
      maxPositionEmbeddings: 2048,
      rmsNormEps: 1e-6,
      ropeTheta: 10000,
      ropeScaling: { type: 'default' },
      tieWordEmbeddings: false,
      attentionBias: false,
      attentionOutputBias: false,
      mlpBias: false,
      qkNorm: false,
      slidingWindow: undefined,
      bosTokenId: 1,
      eosTokenIds: [2],
      storedDType: 'f32',
    }
    assert.deepEqual(parse(), expected)
    const nulls = {
      num_key_value_heads: null,
      head_dim: null,
      rope_scaling: null,
      rope_parameters: null,
      torch_dtype: null,
    }
    assert.deepEqual(parse({ ...nulls, pretraining_tp: 2, pad_token_id: -1, unknown_key: [] }), expected)
  })

  const read = (name: CheckpointName) =>
    parseConfig(JSON.parse(readFileSync(repository(`test/oracles/${oracleFolder(name)}/config.json`), 'utf8')), name)

  it('reads the golden checkpoints of Llama', () => {
    assert.equal(read('llama2-f32').numKeyValueHeads, 4)
    const tied = read('gqa-tied-bf16')
    assert.deepEqual([tied.numKeyValueHeads, tied.tieWordEmbeddings, tied.storedDType], [2, true, 'bf16'])
    const wide = read('wide-head-bias-f32')
    assert.deepEqual([wide.headDim, wide.mlpBias, wide.numHiddenLayers], [32, true, 3])
    assert.deepEqual([wide.attentionBias, wide.attentionOutputBias], [true, true])
    assert.deepEqual(read('linear-rope-deep-bf16').ropeScaling, { type: 'linear', factor: 2 })
    const llama3 = read('llama3-rope-sharded-f16')
    assert.equal(llama3.ropeTheta, 500000)
    assert.equal(llama3.storedDType, 'f16')
    assert.deepEqual(llama3.ropeScaling, {
      type: 'llama3',
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositionEmbeddings: 64,
    })
  })

  it('reads the golden checkpoints of the other families', () => {
    const parts = (name: CheckpointName) => {
      const { modelType, attentionBias, attentionOutputBias, qkNorm, slidingWindow, headDim } = read(name)
      return [modelType, attentionBias, attentionOutputBias, qkNorm, slidingWindow, headDim]
    }
    assert.deepEqual(parts('mistral'), ['mistral', false, false, false, undefined, 16])
    assert.deepEqual(parts('mistral-window-16'), ['mistral', false, false, false, 16, 16])
    assert.deepEqual(parts('qwen2'), ['qwen2', true, false, false, undefined, 16])
    assert.deepEqual(parts('qwen3'), ['qwen3', false, false, true, undefined, 32])
    assert.deepEqual([read('qwen2').ropeTheta, read('qwen3').tieWordEmbeddings], [1e6, true])
  })

  it("has the defaults of transformers' configs of the other families", () => {
    // new MistralConfig(), Qwen2Config(), Qwen3Config() of transformers 5.23.0
    const expected = {
      mistral: [32000, 4096, 14336, 32, 32, 8, 128, 131072, 1e-6, 10000, 4096, 1, [2]],
      qwen2: [151936, 4096, 22016, 32, 32, 32, 128, 32768, 1e-6, 10000, undefined, undefined, []],
      qwen3: [151936, 4096, 22016, 32, 32, 32, 128, 32768, 1e-6, 10000, undefined, undefined, []],
    }
    for (const [model_type, values] of Object.entries(expected)) {
      const config = parseConfig({ model_type }, 'config.json')
      const { vocabSize, hiddenSize, intermediateSize, numHiddenLayers, numAttentionHeads, numKeyValueHeads } = config
      const sizes = [vocabSize, hiddenSize, intermediateSize, numHiddenLayers, numAttentionHeads, numKeyValueHeads]
      const { headDim, maxPositionEmbeddings, rmsNormEps, ropeTheta, slidingWindow, bosTokenId, eosTokenIds } = config
      const rest = [headDim, maxPositionEmbeddings, rmsNormEps, ropeTheta, slidingWindow, bosTokenId, eosTokenIds]
      assert.deepEqual([...sizes, ...rest], values, model_type)
    }
    assert.equal(parse({ model_type: 'mistral', num_key_value_heads: null }).numKeyValueHeads, 4)
    assert.equal(parse({ model_type: 'qwen3', num_key_value_heads: 2, attention_bias: true }).attentionOutputBias, true)
  })

  it('reads a window that all layers see, and refuses one that only some do', () => {
    const window = (changes: Record<string, unknown>) => parse({ num_key_value_heads: 2, ...changes }).slidingWindow
    assert.equal(window({ sliding_window: 8 }), undefined) // of a Llama, as in transformers
    assert.equal(window({ model_type: 'mistral', sliding_window: 8 }), 8)
    assert.equal(window({ model_type: 'mistral', sliding_window: null }), undefined)
    refused(() => window({ model_type: 'mistral', sliding_window: 0 }), /"sliding_window" is 0/)
    const full = 'full_attention'
    const sliding = 'sliding_attention'
    for (const model_type of ['qwen2', 'qwen3']) {
      const qwen = { model_type, sliding_window: 8, use_sliding_window: true }
      assert.equal(window({ ...qwen, use_sliding_window: false, max_window_layers: 0 }), undefined)
      assert.equal(window({ ...qwen, max_window_layers: 0 }), 8)
      assert.equal(window({ ...qwen, max_window_layers: 4 }), undefined)
      assert.equal(window(qwen), undefined) // 28 layers without one, by default
      refused(() => window({ ...qwen, max_window_layers: 3 }), /a window in 1 of 4 layers; .* in all or in none/)
      assert.equal(window({ ...qwen, layer_types: [sliding, sliding, sliding, sliding] }), 8)
      assert.equal(window({ ...qwen, max_window_layers: 0, layer_types: [full, full, full, full] }), undefined)
      refused(() => window({ ...qwen, layer_types: [sliding, full, sliding, full] }), /a window in 2 of 4 layers/)
      refused(() => window({ ...qwen, layer_types: [full, full, 'linear_attention', full] }), /"linear_attention"/)
      for (const bad of [[full], 'full', {}]) refused(() => window({ ...qwen, layer_types: bad }), /"layer_types"/)
      for (const bad of ['all', -1, 1.5]) {
        refused(() => window({ ...qwen, max_window_layers: bad }), /"max_window_layers" is .* whole number from 0/)
      }
      refused(() => window({ ...qwen, use_sliding_window: 1 }), /"use_sliding_window" is 1/)
    }
  })

  it('reads rope alike from rope_scaling with type, with rope_type, and from rope_parameters', () => {
    for (const spelling of [
      { rope_theta: 5000, rope_scaling: { type: 'linear', factor: 4 } },
      { rope_theta: 5000, rope_scaling: { rope_type: 'linear', factor: 4 } },
      { rope_parameters: { rope_type: 'linear', factor: 4, rope_theta: 5000 } },
      { rope_theta: 5000, rope_parameters: { rope_type: 'linear', factor: 4 } },
      { rope_theta: 1, rope_parameters: { type: 'linear', factor: 4, rope_theta: 5000 } },
      { rope_theta: 5000, rope_scaling: { type: 'linear', factor: 4 }, rope_parameters: { rope_type: 'default' } },
    ]) {
      const { ropeTheta, ropeScaling } = parse(spelling)
      assert.deepEqual({ ropeTheta, ropeScaling }, { ropeTheta: 5000, ropeScaling: { type: 'linear', factor: 4 } })
    }
    assert.deepEqual(parse({ rope_parameters: { rope_theta: 7 } }).ropeScaling, { type: 'default' })
  })

  it('refuses rope types that it does not compute, by name, and rope that differs by layer', () => {
    for (const type of ['dynamic', 'yarn', 'longrope', 'su', 7]) {
      refused(
        () => parse({ rope_scaling: { type, factor: 2 } }),
        new RegExp(`rope type "?${type}"?`),
        /default, linear, llama3/,
      )
    }
    refused(() => parse({ rope_parameters: { full_attention: { rope_type: 'default' } } }), /full_attention/)
    refused(() => parse({ rope_scaling: 'linear' }), /"rope_scaling"/)
    refused(() => parse({ rope_scaling: { type: 'linear' } }), /"factor" is missing/)
    refused(() => parse({ rope_scaling: { type: 'linear', factor: 0 } }), /"factor" is 0/)
    refused(() => parse({ partial_rotary_factor: 0.5 }), /partial_rotary_factor/)
    const llama3 = {
      type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    }
    for (const key of Object.keys(llama3).slice(1)) {
      refused(() => parse({ rope_scaling: { ...llama3, [key]: undefined } }), new RegExp(`"${key}" is missing`))
    }
    refused(() => parse({ rope_scaling: { ...llama3, high_freq_factor: 1 } }), /"high_freq_factor" is 1/)
  })

  it('reads the stored type from dtype or torch_dtype', () => {
    assert.equal(parse({ torch_dtype: 'bfloat16' }).storedDType, 'bf16')
    assert.equal(parse({ dtype: 'float16', torch_dtype: 'bfloat16' }).storedDType, 'f16')
    assert.equal(parse({ torch_dtype: 'torch.float16' }).storedDType, 'f16')
    refused(() => parse({ dtype: 'float64' }), /"dtype" is "float64"/, /bfloat16/)
    refused(() => parse({ torch_dtype: 8 }), /"torch_dtype" is 8/)
  })

  it('takes ends of text as a number or a list, and generation_config.json has the last word', () => {
    assert.deepEqual(parse({ eos_token_id: 7 }).eosTokenIds, [7])
    assert.deepEqual(parse({ eos_token_id: [7, 9, 7] }).eosTokenIds, [7, 9])
    assert.deepEqual(parse({ eos_token_id: null }).eosTokenIds, [])
    assert.equal(parse({ bos_token_id: null }).bosTokenId, undefined)
    assert.deepEqual(parse({ eos_token_id: 7 }, { eos_token_id: [3, 4] }).eosTokenIds, [3, 4])
    assert.deepEqual(parse({ eos_token_id: 7 }, { max_length: 3 }).eosTokenIds, [7])
    for (const bad of [320, -1, 1.5, '2', [1, 999], {}]) {
      refused(() => parse({ eos_token_id: bad }), /"eos_token_id"/, /config\.json/, /0 to 319/)
      refused(() => parse({}, { eos_token_id: bad }), /generation_config\.json/)
    }
    refused(() => parse({}, [1]), /generation_config\.json is a list/)
  })

  it('refuses every number that cannot be one, naming the key', () => {
    const sizes = [
      'vocab_size',
      'hidden_size',
      'intermediate_size',
      'num_hidden_layers',
      'num_attention_heads',
      'num_key_value_heads',
      'head_dim',
      'max_position_embeddings',
    ]
    for (const key of sizes) {
      for (const bad of [0, -1, 1.5, '64', true, [], {}, 2 ** 31, 1e300]) {
        refused(() => parse({ [key]: bad }), new RegExp(`"${key}"`), /expected a whole number/)
      }
    }
    for (const key of ['rms_norm_eps', 'rope_theta']) {
      for (const bad of [0, -1, '1', [], Number.NaN, Infinity])
        refused(() => parse({ [key]: bad }), new RegExp(`"${key}"`))
    }
    for (const key of ['tie_word_embeddings', 'attention_bias', 'mlp_bias']) {
      for (const bad of [0, 'true', []]) refused(() => parse({ [key]: bad }), new RegExp(`"${key}"`), /true or false/)
    }
  })

  it('refuses heads that do not fit', () => {
    refused(() => parse({ num_key_value_heads: 3 }), /"num_key_value_heads" is 3/, /divisor of num_attention_heads, 4/)
    refused(() => parse({ head_dim: 15 }), /"head_dim" is 15/, /even/)
    refused(() => parse({ hidden_size: 66 }), /"head_dim" is 16\.5/)
    assert.equal(parse({ hidden_size: 66, head_dim: 20 }).headDim, 20)
  })

  it('refuses what is of no family that it runs by name, and says which it runs', () => {
    for (const model_type of ['gpt2', 'mixtral', 'qwen2_moe', 'mllama', 'toString', 7]) {
      refused(
        () => parse({ model_type }),
        new RegExp(`this is a "?${model_type}"? model`),
        /llama, mistral, qwen2, qwen3/,
      )
    }
    refused(() => parse({ model_type: undefined }), /no "model_type"/)
    assert.equal(parse({ model_type: undefined, architectures: ['LlamaForCausalLM'] }).modelType, 'llama')
    assert.equal(
      parse({ model_type: undefined, architectures: ['Qwen2ForCausalLM'], num_key_value_heads: 2 }).modelType,
      'qwen2',
    )
    refused(() => parse({ hidden_act: 'gelu' }), /"hidden_act" is "gelu"/, /"silu"/)
    refused(() => parse({ quantization_config: { quant_method: 'gptq' } }), /quantised \("gptq"\)/)
    for (const bad of [null, [], 'llama', 3])
      refused(() => parseConfig(bad, 'config.json'), /config\.json is /, /expected a JSON object/)
  })
})
