// Vocabularies in GGUF files as tokenizers: exactly the ids of llama.cpp, and of transformers.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import type { ByteSource } from '../../../model/load/files.ts'
import { memorySource } from '../../../model/load/files.ts'
import { type GgufArray, type GgufFile, type GgufScalar, parseGguf } from '../../../model/load/gguf.ts'
import { ggufTokenizer, unknownTokenizer } from '../../../model/load/gguf-tokenizer.ts'
import { createTokenizer, type Tokenizer } from '../../../model/tokenizer.ts'
import { golden } from '../../golden.ts'
import { licensedData, skipUnless } from '../../skip.ts'
import { fails, repository } from './fixtures.ts'

async function tokenizerOf(file: GgufFile): Promise<Tokenizer> {
  const content = await ggufTokenizer(file, 'x.gguf')
  assert.ok(content)
  return createTokenizer(content.json, { where: 'x.gguf', config: content.config })
}

const source = (path: string): ByteSource => memorySource(path, readFileSync(path))

for (const kind of ['llama-spm', 'llama-bpe']) {
  it(`the vocabulary ${kind} gives the ids of llama.cpp's own tests`, async function () {
    this.timeout(60_000)
    const path = licensedData(this, `tokenizers/ggml-vocab/ggml-vocab-${kind}.gguf`)
    const tokenizer = await tokenizerOf(await parseGguf(source(path)))
    const oracle = (ending: string): string =>
      readFileSync(repository(`test/oracles/ggml-vocab/ggml-vocab-${kind}.gguf${ending}`), 'utf8')
    const texts = oracle('.inp').split('\n__ggml_vocab_test__\n')
    const lines = oracle('.out').split('\n')
    assert.ok(texts.length > 40)
    for (const [i, text] of texts.entries()) {
      const expected = [...lines[i]!.matchAll(/\d+/g)].map(([id]) => Number(id))
      assert.deepEqual(tokenizer.encode(text, { addSpecialTokens: false }), expected, JSON.stringify(text))
      assert.deepEqual(tokenizer.encode(text, { addSpecialTokens: false, specialTokens: 'plain' }), expected)
      assert.equal(tokenizer.decode(expected), text)
    }
    golden(texts.length)
  })
}

describe("SmolLM2's tokenizer in its GGUF file", () => {
  it('gives the prompt ids of transformers, chat roles and all, and the texts back', async function () {
    const path = repository('test/peers/models/smollm2-135m-instruct.q4_1.gguf')
    skipUnless(this, existsSync(path), 'test/peers/fetch-smollm2.sh has not brought SmolLM2')
    const tokenizer = await tokenizerOf(await parseGguf(source(path)))
    const examples: { prompt: string; prompt_ids: number[]; greedy_ids: number[]; greedy_text: string }[] = JSON.parse(
      readFileSync(repository('test/oracles/smollm2/greedy.json'), 'utf8'),
    )
    for (const { prompt, prompt_ids: ids, greedy_ids: chosen, greedy_text: text } of examples) {
      assert.deepEqual(tokenizer.encode(prompt), ids)
      assert.deepEqual(tokenizer.encode([{ text: prompt, specialTokens: 'parse' }]), ids)
      const plain = tokenizer.encode(prompt, { specialTokens: 'plain' })
      assert.ok(!plain.some((id) => id < 3))
      assert.equal(tokenizer.decode(plain), prompt)
      assert.equal(tokenizer.decode(chosen, { skipSpecialTokens: false }), text)
      golden()
    }
  })
})

describe('a vocabulary', () => {
  const array = (values: readonly GgufScalar[]): GgufArray => ({ length: values.length, read: async () => values })
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`)
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, '\u2581', 'a', 'b', 'ab', '\u2581ab']
  const types = [2, 3, 3, ...bytes.map(() => 6), 1, 1, 1, 1, 1]
  const scores = tokens.map((token) => (token === '\u2581ab' ? -2 : -1))
  const metadata: Record<string, GgufScalar | GgufArray> = {
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.tokens': array(tokens),
    'tokenizer.ggml.token_type': array(types),
    'tokenizer.ggml.scores': array(scores),
    'tokenizer.ggml.bos_token_id': 1,
    'tokenizer.ggml.eos_token_id': 2,
  }
  const file = (change: Record<string, GgufScalar | GgufArray | undefined> = {}): GgufFile => {
    const entries = Object.entries({ ...metadata, ...change })
    return {
      metadata: new Map(entries.filter((entry): entry is [string, GgufScalar] => entry[1] !== undefined)),
      tensors: new Map(),
    }
  }

  it('of SentencePiece begins texts, and adds a space and ends them where the file says so', async () => {
    const id = (token: string): number => tokens.indexOf(token)
    assert.deepEqual((await tokenizerOf(file())).encode('ab a'), [1, id('\u2581ab'), id('\u2581'), id('a')])
    const bare = { 'tokenizer.ggml.add_bos_token': false, 'tokenizer.ggml.add_space_prefix': false }
    assert.deepEqual((await tokenizerOf(file(bare))).encode('ab'), [id('ab')])
    const closed = await tokenizerOf(file({ 'tokenizer.ggml.add_eos_token': true }))
    assert.deepEqual(closed.encode('ab'), [1, id('\u2581ab'), 2])
    assert.deepEqual(closed.encode('\u00e9').slice(2, 4), [id('<0xC3>'), id('<0xA9>')])
    assert.equal(closed.decode(closed.encode('ab \u00e9')), 'ab \u00e9')
  })

  it('is none where the file has none', async () => {
    assert.equal(await ggufTokenizer(file({ 'tokenizer.ggml.model': undefined }), 'x'), undefined)
    assert.equal(await ggufTokenizer(file({ 'tokenizer.ggml.model': 'none' }), 'x'), undefined)
  })

  const unknown: Record<string, [change: Record<string, GgufScalar>, message: RegExp]> = {
    'another kind': [{ 'tokenizer.ggml.model': 'bert' }, /kind "bert"; known are llama and gpt2: put .*token ids/],
    'a way of cutting that is not known': [
      { 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': 'toString' },
      /x\.gguf cuts .* way "toString".*known are gpt-2, smollm, llama-bpe, qwen2, .*: put .*tokenizer\.json/,
    ],
  }
  for (const [name, [change, message]] of Object.entries(unknown)) {
    it(`of ${name} is none, and says why`, async () => {
      assert.equal(await ggufTokenizer(file(change), 'x.gguf'), undefined)
      assert.match(unknownTokenizer(file(change), 'x.gguf')!, message)
    })
  }

  for (const [alias, way] of Object.entries({
    llama3: 'llama-bpe',
    'llama-v3': 'llama-bpe',
    'deepseek-r1-qwen': 'qwen2',
  })) {
    it(`cut in the way ${alias} is one cut as ${way}`, async () => {
      const cut = (pre: string) =>
        ggufTokenizer(
          file({
            'tokenizer.ggml.model': 'gpt2',
            'tokenizer.ggml.pre': pre,
            'tokenizer.ggml.merges': array(['a b']),
          }),
          'x',
        )
      assert.ok(await cut(way))
      assert.deepEqual(await cut(alias), await cut(way))
    })
  }

  const refused: Record<string, [change: Record<string, GgufScalar | GgufArray | undefined>, message: RegExp]> = {
    'without tokens': [{ 'tokenizer.ggml.tokens': undefined }, /no list "tokenizer\.ggml\.tokens"/],
    'of numbers': [{ 'tokenizer.ggml.tokens': array([1]) }, /holds 1; expected texts/],
    'without scores': [{ 'tokenizer.ggml.scores': undefined }, /no list "tokenizer\.ggml\.scores"/],
    'with a score missing': [{ 'tokenizer.ggml.scores': array(scores.slice(1)) }, /a number for each of 264 tokens/],
    'with a byte missing': [
      { 'tokenizer.ggml.tokens': array(tokens.map((t) => (t === '<0x41>' ? 'A' : t))) },
      /no <0x41>/,
    ],
    'that begins texts with a token that it lacks': [{ 'tokenizer.ggml.bos_token_id': 999 }, /adds a bos token .*999/],
    'over bytes, without merges': [{ 'tokenizer.ggml.model': 'gpt2' }, /no list "tokenizer\.ggml\.merges"/],
  }
  for (const [name, [change, message]] of Object.entries(refused)) {
    it(`is refused: ${name}`, () => fails(() => ggufTokenizer(file(change), 'x.gguf'), 'ERR_MODEL_FORMAT', message))
  }
})
