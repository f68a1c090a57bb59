// SentencePiece's tokenizer.model as a tokenizer: exactly the ids of SentencePiece, and nothing taken on trust.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { sentencePieceTokenizer } from '../../../model/load/sentencepiece-model.ts'
import { createTokenizer, type Tokenizer } from '../../../model/tokenizer.ts'
import { golden } from '../../golden.ts'
import { licensedData } from '../../skip.ts'
import { codeOf, fails, repository, typedCodes } from './fixtures.ts'

function tokenizerOf(bytes: Uint8Array, config: object = {}, added?: object): Tokenizer {
  const { json, config: settings } = sentencePieceTokenizer(bytes, 'tokenizer.model', { config, added })
  return createTokenizer(json, { where: 'tokenizer.model', config: settings })
}

const model = (name: string): Uint8Array => readFileSync(repository(`test/oracles/sentencepiece/${name}.model`))

describe('a tokenizer.model', () => {
  for (const name of ['prefix', 'bare']) {
    it(`gives the ids and the texts of SentencePiece (${name})`, () => {
      const tokenizer = tokenizerOf(model(name))
      const path = repository(`test/oracles/sentencepiece/${name}.json`)
      const rows: { text: string; ids: number[]; decoded: string }[] = JSON.parse(readFileSync(path, 'utf8'))
      assert.ok(rows.length > 15)
      for (const { text, ids, decoded } of rows) {
        // SentencePiece knows no special tokens in texts, but user-defined symbols; and it drops what spells a character.
        const parsed = text.includes('<s>') ? 'plain' : 'parse'
        const encoded = tokenizer.encode(text, { addSpecialTokens: false, specialTokens: parsed })
        assert.deepEqual(encoded, ids, JSON.stringify(text))
        assert.equal(tokenizer.decode(ids), decoded, JSON.stringify(text))
      }
      golden(rows.length)
    })
  }

  it("of Llama 2 gives the ids of llama.cpp's own tests", function () {
    const tokenizer = tokenizerOf(readFileSync(licensedData(this, 'tokenizers/llama2/tokenizer.model')))
    const oracle = (ending: string): string =>
      readFileSync(repository(`test/oracles/ggml-vocab/ggml-vocab-llama-spm.gguf${ending}`), 'utf8')
    const lines = oracle('.out').split('\n')
    const texts = oracle('.inp').split('\n__ggml_vocab_test__\n')
    assert.ok(texts.length > 40)
    for (const [i, text] of texts.entries()) {
      const expected = [...lines[i]!.matchAll(/\d+/g)].map(([id]) => Number(id))
      assert.deepEqual(tokenizer.encode(text, { addSpecialTokens: false }), expected, JSON.stringify(text))
      assert.equal(tokenizer.decode(expected), text)
    }
    golden(texts.length)
  })

  it('begins texts, and ends them, as tokenizer_config.json says', () => {
    const bare = tokenizerOf(model('prefix'), { add_bos_token: false }).encode('Once')
    assert.deepEqual(tokenizerOf(model('prefix')).encode('Once'), [1, ...bare])
    assert.deepEqual(tokenizerOf(model('prefix'), { add_eos_token: true }).encode('Once'), [1, ...bare, 2])
  })

  it('knows its unknown, begin and end tokens as special', () => {
    const tokenizer = tokenizerOf(model('prefix'))
    assert.deepEqual(tokenizer.specialTexts, ['<unk>', '<s>', '</s>'])
    assert.deepEqual(tokenizer.encode('<unk></s>'), [1, 0, 2])
    assert.equal(tokenizer.decode([1, 0, ...tokenizer.encode('Once', { addSpecialTokens: false }), 2]), 'Once')
  })

  it('has the tokens that were added later, from either file beside it', () => {
    const added = tokenizerOf(model('prefix'), {}, { '<|im_end|>': 501, '<|im_start|>': 500, '<s>': 1 })
    assert.equal(added.vocabSize, 502)
    assert.deepEqual(added.encode('<|im_start|><|im_end|>', { addSpecialTokens: false }), [500, 501])
    const decoder = { added_tokens_decoder: { '500': { content: '<x>', special: false }, '0': { content: '<unk>' } } }
    const other = tokenizerOf(model('prefix'), decoder)
    assert.deepEqual(other.encode('<x>', { addSpecialTokens: false }), [500])
    assert.equal(other.decode([500]), '<x>')
  })

  it('is refused where it is cut or damaged, with typed errors and no others', () => {
    const bytes = model('prefix')
    for (let length = 0; length < bytes.length; length += 13) {
      assert.ok(
        isTyped(() => tokenizerOf(bytes.subarray(0, length))),
        `cut at ${length}`,
      )
    }
    for (let at = 0; at < bytes.length; at += 7) {
      const changed = Uint8Array.from(bytes)
      changed[at] = changed[at]! ^ 0xff
      assert.ok(
        isTyped(() => tokenizerOf(changed).encode('Once upon a time')),
        `byte ${at}`,
      )
    }
  })

  /** Whether it works, or throws on purpose. */
  function isTyped(run: () => unknown): boolean {
    try {
      run()
      return true
    } catch (error) {
      return typedCodes.has(codeOf(error))
    }
  }

  /** The bytes of a protobuf field. */
  function field(number: number, value: number | Uint8Array): number[] {
    return typeof value === 'number' ? [...varint(8 * number), ...varint(value)] : bytesField(number, value)
  }
  function bytesField(number: number, value: Uint8Array): number[] {
    return [...varint(8 * number + 2), ...varint(value.length), ...value]
  }
  function varint(value: number): number[] {
    return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]
  }
  const message = (...fields: number[][]): Uint8Array => Uint8Array.from(fields.flat())
  const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value))
  const changed = (trainer: number[], normalizer: number[]): Uint8Array =>
    message([...model('prefix')], field(2, Uint8Array.from(trainer)), field(3, Uint8Array.from(normalizer)))
  const bpe = [...field(3, 2), ...field(35, 1)]

  const refused: Record<string, [bytes: Uint8Array, message: RegExp]> = {
    'of another model': [changed([...field(3, 1), ...field(35, 1)], field(4, 0)), /is of kind "unigram"; known is BPE/],
    'without byte fallback': [changed(field(3, 2), field(4, 0)), /has no byte fallback/],
    'that normalises texts': [changed(bpe, [...field(4, 0), ...field(2, text('x'))]), /changes texts/],
    'that removes spaces': [changed(bpe, field(4, 1)), /changes texts/],
    'with spaces behind words': [changed([...bpe, ...field(24, 1)], field(4, 0)), /puts spaces behind words/],
    'without bytes': [
      message(field(1, message(field(1, text('a')))), field(2, Uint8Array.from(bpe)), field(3, message(field(4, 0)))),
      /no <0x00>/,
    ],
    'with a token longer than any': [
      message([...model('prefix')], field(1, message(field(1, text('a'.repeat(300)))))),
      /token 500 of tokenizer\.model has 300 characters; at most 256/,
    ],
    'that is none': [text('{"version": "1.0"}'), /is not a SentencePiece model/],
    'that is empty': [message(), /has no tokens/],
  }
  for (const [name, [bytes, expected]] of Object.entries(refused)) {
    it(`is refused: ${name}`, () => fails(() => tokenizerOf(bytes), 'ERR_MODEL_FORMAT', expected))
  }
})
