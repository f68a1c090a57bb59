// Configs: what transformers' defaults and spellings mean, and what is refused.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { ModelFormatError } from '../../engine/errors.ts'
import { parseConfig } from '../../model/config.ts'
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
      mlpBias: false,
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

  it('reads the five golden checkpoints', () => {
    const read = (name: string) =>
      parseConfig(JSON.parse(readFileSync(repository(`test/oracles/hf/${name}/config.json`), 'utf8')), name)
    assert.equal(read('llama2-f32').numKeyValueHeads, 4)
    const tied = read('gqa-tied-bf16')
    assert.deepEqual([tied.numKeyValueHeads, tied.tieWordEmbeddings, tied.storedDType], [2, true, 'bf16'])
    const wide = read('wide-head-bias-f32')
    assert.deepEqual([wide.headDim, wide.attentionBias, wide.mlpBias, wide.numHiddenLayers], [32, true, true, 3])
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

  it('refuses what is not a Llama by name', () => {
    refused(() => parse({ model_type: 'gpt2' }), /this is a "gpt2" model/, /Drafthorse runs Llama/)
    refused(() => parse({ model_type: 'mistral' }), /"mistral"/)
    refused(() => parse({ model_type: undefined }), /no "model_type"/)
    assert.equal(parse({ model_type: undefined, architectures: ['LlamaForCausalLM'] }).vocabSize, 320)
    refused(() => parse({ hidden_act: 'gelu' }), /"hidden_act" is "gelu"/, /"silu"/)
    refused(() => parse({ quantization_config: { quant_method: 'gptq' } }), /quantised \("gptq"\)/)
    for (const bad of [null, [], 'llama', 3])
      refused(() => parseConfig(bad, 'config.json'), /config\.json is /, /expected a JSON object/)
  })
})
