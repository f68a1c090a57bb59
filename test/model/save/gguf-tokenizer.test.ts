// Tokenizers written to GGUF: what llama.cpp has is written as its own converter does, and what it lacks is refused.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { LlamaConfig } from '../../../model/config.ts'
import { memorySource } from '../../../model/load/files.ts'
import { openFiles } from '../../../model/load/files-node.ts'
import { type GgufArray, type GgufFile, parseGguf } from '../../../model/load/gguf.ts'
import { ggufTokenizer } from '../../../model/load/gguf-tokenizer.ts'
import type { TokenizerFiles } from '../../../model/load/sentencepiece.ts'
import { writeGguf } from '../../../model/save/gguf.ts'
import { tokenizerMetadata } from '../../../model/save/gguf-tokenizer.ts'
import { joined } from '../../../model/save/sink.ts'
import { golden } from '../../golden.ts'
import { licensedData } from '../../skip.ts'
import { fails, repository } from '../load/fixtures.ts'

const config = { vocabSize: 4096, bosTokenId: 0, eosTokenIds: [0] } as unknown as LlamaConfig // all that is asked of it

async function written(tokenizer: TokenizerFiles, change: Partial<LlamaConfig> = {}): Promise<GgufFile> {
  const metadata = tokenizerMetadata(tokenizer, { config: { ...config, ...change }, where: 'x' })
  const pieces: Uint8Array[] = []
  const file = {
    async write(bytes: Uint8Array): Promise<void> {
      pieces.push(bytes.slice())
    },
    async close(): Promise<void> {},
  }
  await writeGguf(file, { metadata, tensors: [], onTensor() {} })
  return parseGguf(memorySource('x', joined(pieces)))
}

const read = (file: GgufFile, key: string) => (file.metadata.get(`tokenizer.ggml.${key}`) as GgufArray).read()

describe('a tokenizer in GGUF', () => {
  const json = JSON.parse(readFileSync(repository('models/stories/tokenizer.json'), 'utf8'))
  const tokenizerConfig = JSON.parse(readFileSync(repository('models/stories/tokenizer_config.json'), 'utf8'))

  it('has the tokens, kinds and merges of tokenizer.json, and what texts begin with', async () => {
    const file = await written({ json, config: tokenizerConfig }, { vocabSize: 4100 })
    const { metadata } = file
    assert.equal(metadata.get('tokenizer.ggml.model'), 'gpt2')
    assert.equal(metadata.get('tokenizer.ggml.pre'), 'gpt-2')
    assert.equal(metadata.get('tokenizer.ggml.bos_token_id'), 0)
    assert.equal(metadata.get('tokenizer.ggml.add_bos_token'), true)
    assert.equal(metadata.get('tokenizer.ggml.add_eos_token'), false)
    const tokens = await read(file, 'tokens')
    for (const [token, id] of Object.entries(json.model.vocab)) assert.equal(tokens[id as number], token)
    assert.deepEqual(tokens.slice(4096), ['[PAD4096]', '[PAD4097]', '[PAD4098]', '[PAD4099]'])
    const kinds = await read(file, 'token_type')
    assert.deepEqual([kinds[0], kinds[1], kinds[4095], kinds[4096]], [3, 1, 1, 5])
    assert.deepEqual(
      await read(file, 'merges'),
      json.model.merges.map(([left, right]: [string, string]) => `${left} ${right}`),
    )
  })

  it('names the ways to cut texts that llama.cpp knows, however they are spelled', async () => {
    const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }
    const split = (Regex: string) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false })
    const start = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
    const end = '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
    const sequence = (...pretokenizers: object[]) => ({ type: 'Sequence', pretokenizers })
    const ways: [pre: string, cut: object, more: object][] = [
      ['gpt-2', { type: 'ByteLevel', add_prefix_space: false }, {}],
      [
        'smollm',
        sequence({ type: 'Digits', individual_digits: true }, { type: 'ByteLevel', add_prefix_space: false }),
        {},
      ],
      ['llama-bpe', sequence(split(`${start}\\p{N}{1,3}${end}`), byteLevel), { ignore_merges: true }],
      ['qwen2', sequence(split(`${start}\\p{N}${end}`), byteLevel), {}],
    ]
    for (const [pre, pre_tokenizer, more] of ways) {
      const normalizer = pre === 'qwen2' ? { type: 'NFC' } : null
      const content = { ...json, normalizer, pre_tokenizer, model: { ...json.model, ...more } }
      const { metadata } = await written({ json: content, config: tokenizerConfig })
      assert.equal(metadata.get('tokenizer.ggml.pre'), pre)
    }
  })

  const template = (single: object[]) => ({ type: 'TemplateProcessing', single, special_tokens: { b: { ids: [0] } } })
  const begin = { SpecialToken: { id: 'b', type_id: 0 } }
  const text = { Sequence: { id: 'A', type_id: 0 } }
  const refused: Record<string, [change: object, message: RegExp]> = {
    'another kind of model': [{ model: { ...json.model, type: 'Unigram' } }, /its model is "Unigram"; expected "BPE"/],
    'another cut': [{ pre_tokenizer: { type: 'Whitespace' } }, /cuts texts by .*Whitespace.*; known are gpt-2, smollm/],
    'a space before texts': [{ pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } }, /cuts texts by/],
    'a change of characters': [{ normalizer: { type: 'Lowercase' } }, /cuts texts by .*Lowercase/],
    'merges passed over': [{ model: { ...json.model, ignore_merges: true } }, /"ignore_merges" is true, unlike/],
    'two tokens before texts': [{ post_processor: template([begin, begin, text]) }, /more than a token before/],
    'a token that is not there': [
      { post_processor: template([{ SpecialToken: { id: 'c' } }, text]) },
      /more than a token before/,
    ],
    'another kind of post-processor': [{ post_processor: { type: 'BertProcessing' } }, /adds tokens by .*BertProc/],
    'more tokens than the model': [
      { added_tokens: [{ id: 5000, content: 'x', special: true }] },
      /"x" has the id 5000, and the model has 4096/,
    ],
    'bytes with merges in the order of training': [
      {
        pre_tokenizer: null,
        normalizer: { type: 'Prepend', prepend: ' ' },
        model: { ...json.model, byte_fallback: true },
      },
      /merge \d+ is not one by scores/,
    ],
    'bytes with words cut first': [
      { pre_tokenizer: { type: 'Whitespace' }, model: { ...json.model, byte_fallback: true } },
      /prepares texts by .*Whitespace/,
    ],
  }
  for (const [name, [change, message]] of Object.entries(refused)) {
    it(`is not written with ${name}`, () =>
      fails(
        () => written({ json: { ...json, ...change }, config: tokenizerConfig }),
        'ERR_MODEL_FORMAT',
        new RegExp(`x cannot be written to GGUF.*(${message.source})`),
      ))
  }

  for (const [name, vocabSize] of [
    ['ggml-vocab-llama-spm.gguf', 32000],
    ['ggml-vocab-llama-bpe.gguf', 128256],
  ] as const) {
    it(`comes back as llama.cpp's own converter wrote it: ${name}`, async function () {
      this.timeout(60_000)
      const path = licensedData(this, `tokenizers/ggml-vocab/${name}`)
      const source = (await (await openFiles(path)).open(name))!
      try {
        const file = await parseGguf(source)
        const tokenizer = (await ggufTokenizer(file, name))!
        const again = await written({ ...tokenizer, config: { unk_token: '<unk>' } }, { vocabSize })
        for (const key of ['tokens', 'token_type', ...(vocabSize > 32000 ? ['merges'] : [])]) {
          assert.deepEqual(await read(again, key), await read(file, key), key)
        }
        for (const key of ['model', 'pre']) {
          assert.equal(again.metadata.get(`tokenizer.ggml.${key}`), file.metadata.get(`tokenizer.ggml.${key}`))
        }
        const { json } = (await ggufTokenizer(again, name))!
        const merges = (content: unknown) => (content as { model: { merges: unknown } }).model.merges
        assert.deepEqual(merges(json), merges(tokenizer.json))
        golden()
      } finally {
        await source.close()
      }
    })
  }
})
