// Tokenizers of strangers: what may take long is known, and stopped.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { checkGrowth, slowWork } from '../../../model/confined/harmless.ts'
import { createTokenizer, type Tokenizer } from '../../../model/tokenizer.ts'
import { fails, repository } from '../load/fixtures.ts'

/** A tokenizer of the letters a to e, one of its parts changed. */
function content(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const model = { type: 'BPE', vocab: { a: 0, b: 1, c: 2, d: 3, e: 4, ab: 5 }, merges: ['a b'] }
  return { added_tokens: [{ id: 6, content: '<x>', special: true, normalized: false }], model, ...changes }
}

const split = (regex: string): object => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated' })
const replace = (found: object, put: string): object => ({ type: 'Replace', pattern: found, content: put })

const tokenizerOf = (changes: Record<string, unknown>): Tokenizer =>
  createTokenizer(content(changes), { where: 'tokenizer.json' })

describe('a tokenizer is watched', () => {
  const llama3 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
  const nothing = { encode: false, decode: false }
  const encoding = { encode: true, decode: false }

  it("not where it is of a known kind: the embedded model's, and Llama 3's", () => {
    assert.deepEqual(slowWork(JSON.parse(readFileSync(repository('models/stories/tokenizer.json'), 'utf8'))), nothing)
    const cuts = { type: 'Sequence', pretokenizers: [split(llama3), { type: 'ByteLevel' }] }
    assert.deepEqual(slowWork(content({ pre_tokenizer: cuts })), nothing)
    assert.deepEqual(slowWork(content()), nothing)
  })

  it('where its regular expressions are not known, or its steps, or its model', () => {
    assert.deepEqual(slowWork(content({ pre_tokenizer: split('(a+)+$') })), encoding)
    assert.deepEqual(slowWork(content({ pre_tokenizer: { type: 'Sequence', pretokenizers: [split('a')] } })), encoding)
    const normalizer = { type: 'Sequence', normalizers: [replace({ Regex: ' ' }, '')] }
    assert.deepEqual(slowWork(content({ normalizer })), encoding)
    assert.deepEqual(slowWork(content({ normalizer: { type: 'Unheard' } })), encoding)
    assert.deepEqual(slowWork(content({ model: { type: 'Unigram', vocab: [['a', 0]] } })), encoding)
    assert.deepEqual(slowWork(content({ decoder: replace({ Regex: 'a' }, '') })), { encode: false, decode: true })
  })
})

describe('a tokenizer that is watched', () => {
  it('gives what another gives', () => {
    const watched = tokenizerOf({ pre_tokenizer: split('c'), decoder: replace({ Regex: 'e' }, 'e') })
    const pre_tokenizer = { type: 'Split', pattern: { String: 'c' }, behavior: 'Isolated' }
    const other = tokenizerOf({ pre_tokenizer, decoder: replace({ String: 'e' }, 'e') })
    for (const text of ['', 'ab', 'abcab', 'eeab<x>ab', 'ccc']) {
      for (const specialTokens of ['parse', 'plain'] as const) {
        const ids = watched.encode(text, { specialTokens })
        assert.deepEqual(ids, other.encode(text, { specialTokens }))
        assert.equal(watched.decode(ids), other.decode(ids))
      }
    }
  })

  const endless = `${'a'.repeat(60)}b`
  const late = /tokenizer\.json took more than 2\.0 s for \d+ characters or tokens, and was stopped/

  it('is stopped where its regular expressions backtrack, and works again', async () => {
    const tokenizer = tokenizerOf({ pre_tokenizer: split('(a+)+$') })
    const expected = tokenizer.encode('ab')
    await fails(() => tokenizer.encode(endless), 'ERR_MODEL_FORMAT', late)
    await fails(() => tokenizer.encode(endless, { specialTokens: 'plain' }), 'ERR_MODEL_FORMAT', late)
    assert.deepEqual(tokenizer.encode('ab'), expected)
  }).timeout(60_000)

  it('is stopped while it is made, too', () => {
    const added_tokens = [{ id: 6, content: endless, normalized: true }]
    return fails(
      () => tokenizerOf({ normalizer: replace({ Regex: '(a+)+$' }, ''), added_tokens }),
      'ERR_MODEL_FORMAT',
      late,
    )
  }).timeout(60_000)

  it('is stopped while it decodes', () => {
    const added_tokens = [{ id: 6, content: endless, normalized: false }]
    const tokenizer = tokenizerOf({ decoder: replace({ Regex: '(a+)+$' }, ''), added_tokens })
    return fails(() => tokenizer.decode([6]), 'ERR_MODEL_FORMAT', late)
  }).timeout(60_000)

  it('says what is wrong with its file as any does', () =>
    fails(
      () => tokenizerOf({ pre_tokenizer: split('(') }),
      'ERR_MODEL_FORMAT',
      /is not a tokenizer\.json that can be used/,
    ))
})

describe('a tokenizer that lengthens texts', () => {
  const grows: Record<string, Record<string, unknown>> = {
    'by steps': {
      normalizer: { type: 'Sequence', normalizers: new Array(10).fill(replace({ String: 'a' }, 'aa')) },
    },
    'at once': { normalizer: replace({ String: 'a' }, 'a'.repeat(1000)) },
    'between all characters': { normalizer: replace({ Regex: '' }, 'a'.repeat(300)) },
    'byte by byte': {
      pre_tokenizer: { type: 'Sequence', pretokenizers: new Array(10).fill({ type: 'ByteLevel' }) },
    },
    'behind each word': {
      model: { type: 'BPE', vocab: { a: 0 }, merges: [], end_of_word_suffix: 'a'.repeat(1000) },
    },
    'as it decodes': { decoder: { type: 'Sequence', decoders: new Array(10).fill(replace({ String: 'a' }, 'aa')) } },
    'by a long token': { added_tokens: [{ id: 6, content: 'a'.repeat(5000) }] },
  }
  for (const [name, changes] of Object.entries(grows)) {
    it(`is refused: ${name}`, () => fails(() => tokenizerOf(changes), 'ERR_MODEL_FORMAT', /tokenizer\.json/))
  }

  it('is not refused where it does so a little', () => {
    const normalizers = [{ type: 'Prepend', prepend: '\u2581' }, replace({ String: ' ' }, '\u2581')]
    checkGrowth(content({ normalizer: { type: 'Sequence', normalizers } }), 'x')
    const regexes = new Array(5).fill(replace({ Regex: ' {2,}' }, ' '))
    checkGrowth(content({ normalizer: { type: 'Sequence', normalizers: regexes } }), 'x')
  })
})
