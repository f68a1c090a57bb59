// Tokenizers of strangers: what cannot take long runs in place, and what can is stopped.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { checkGrowth, isHarmless } from '../../../model/confined/harmless.ts'
import { createTokenizer, type Tokenizer } from '../../../model/tokenizer.ts'
import { fails, repository } from '../load/fixtures.ts'

const root = repository('')

/** A tokenizer of the letters a to e, one of its parts changed. */
function content(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const model = { type: 'BPE', vocab: { a: 0, b: 1, c: 2, d: 3, e: 4, ab: 5 }, merges: ['a b'] }
  return { added_tokens: [{ id: 6, content: '<x>', special: true, normalized: false }], model, ...changes }
}

const split = (regex: string): object => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated' })
const replace = (found: object, put: string): object => ({ type: 'Replace', pattern: found, content: put })

const open: Tokenizer[] = []
function tokenizerOf(changes: Record<string, unknown>): Tokenizer {
  const tokenizer = createTokenizer(content(changes), { where: 'tokenizer.json' })
  open.push(tokenizer)
  return tokenizer
}
afterEach(() => {
  for (const tokenizer of open.splice(0)) tokenizer.dispose()
})

describe('a tokenizer runs in place', () => {
  const llama3 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

  it("where it is of a known kind: the embedded model's, and Llama 3's", () => {
    assert.ok(isHarmless(JSON.parse(readFileSync(repository('models/stories/tokenizer.json'), 'utf8'))))
    const cuts = { type: 'Sequence', pretokenizers: [split(llama3), { type: 'ByteLevel' }] }
    assert.ok(isHarmless(content({ pre_tokenizer: cuts })))
  })

  it('and nowhere else', () => {
    assert.ok(isHarmless(content()))
    assert.ok(!isHarmless(content({ pre_tokenizer: split('(a+)+$') })))
    assert.ok(!isHarmless(content({ pre_tokenizer: { type: 'Sequence', pretokenizers: [split('a')] } })))
    assert.ok(!isHarmless(content({ normalizer: { type: 'Sequence', normalizers: [replace({ Regex: ' ' }, '')] } })))
    assert.ok(!isHarmless(content({ decoder: replace({ Regex: 'a' }, '') })))
    assert.ok(!isHarmless(content({ normalizer: { type: 'Unheard' } })))
    assert.ok(!isHarmless(content({ model: { type: 'Unigram', vocab: [['a', 0]] } })))
  })
})

describe('a tokenizer in a thread of its own', () => {
  it('gives what it gives in place', () => {
    const confined = tokenizerOf({ pre_tokenizer: split('c|d') })
    const inPlace = tokenizerOf({ pre_tokenizer: { type: 'Split', pattern: { String: 'c' }, behavior: 'Isolated' } })
    for (const text of ['', 'ab', 'abcab', 'eeab<x>ab', 'ccc']) {
      for (const specialTokens of ['parse', 'plain'] as const) {
        const ids = confined.encode(text, { specialTokens })
        assert.deepEqual(ids, inPlace.encode(text, { specialTokens }))
        assert.equal(confined.decode(ids), inPlace.decode(ids))
      }
    }
  })

  it('is stopped where its regular expressions backtrack, and works again', async function () {
    this.timeout(60_000)
    const tokenizer = tokenizerOf({ pre_tokenizer: split('(a+)+$') })
    const expected = tokenizer.encode('ab')
    const text = `${'a'.repeat(60)}b`
    await fails(
      () => tokenizer.encode(text),
      'ERR_MODEL_FORMAT',
      /tokenizer\.json was at work on 61 characters.*backtrack/,
    )
    assert.deepEqual(tokenizer.encode('ab'), expected)
  })

  it('is stopped while it is made, too', function () {
    this.timeout(60_000)
    const added_tokens = [{ id: 6, content: `${'a'.repeat(60)}b`, normalized: true }]
    const normalizer = replace({ Regex: '(a+)+$' }, '')
    return fails(() => tokenizerOf({ normalizer, added_tokens }), 'ERR_MODEL_FORMAT', /tokens and merges.*was stopped/)
  })

  it('says what is wrong with its file as one in place does', () =>
    fails(() => tokenizerOf({ pre_tokenizer: split('(') }), 'ERR_MODEL_FORMAT', /cannot? be used|can be used/))

  it('can be used after it was disposed, as often as one likes', () => {
    const tokenizer = tokenizerOf({ pre_tokenizer: split('c') })
    const ids = tokenizer.encode('abc')
    tokenizer.dispose()
    tokenizer.dispose()
    assert.deepEqual(tokenizer.encode('abc'), ids)
    assert.equal(tokenizer.decode(ids).replaceAll(' ', ''), 'abc')
  })

  it('lets the process end, and so do chats that were rendered', () => {
    const code = `
      import { createTokenizer } from './dist/model/tokenizer.js'
      import { createChat } from './dist/model/chat.js'
      for (const pattern of ['c', 'd']) {
        const json = { ...${JSON.stringify(content())}, pre_tokenizer: ${JSON.stringify(split('PATTERN'))} }
        json.pre_tokenizer.pattern.Regex = pattern
        const tokenizer = createTokenizer(json, { where: 'x' })
        const chat = createChat({ templates: { default: '{{ messages[0].content }}' }, tokens: {}, where: 'x' }, tokenizer)
        console.log((await chat.encode([{ role: 'user', content: 'ab' }])).join())
      }`
    const args = ['--input-type=module', '-e', code]
    const result = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', timeout: 60_000 })
    assert.equal(result.stderr, '')
    assert.deepEqual([result.status, result.stdout], [0, '5\n5\n'])
  }).timeout(60_000)
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
