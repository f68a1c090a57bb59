// llama2.c's tokenizer file: as a tokenizer.json it encodes as llama2.c's own code does.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { memoryFiles, memorySource } from '../../../model/load/files.ts'
import { readLlama2cTokenizer } from '../../../model/load/llama2c.ts'
import { llama2cTokenizerJson } from '../../../model/load/llama2c-tokenizer.ts'
import { createTokenizer, type Tokenizer } from '../../../model/tokenizer.ts'
import { licensedData } from '../../skip.ts'
import { fails, repository } from './fixtures.ts'

const tok512 = readFileSync(repository('test/oracles/stories260K/tok512.bin'))

/** encode() of run.c (commit 350e04f), on strings instead of C strings; begin of text included. */
function encodeAsRunC(bytes: Uint8Array, text: string): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const vocab: string[] = []
  const scores: number[] = []
  for (let at = 4; at < bytes.length; ) {
    const length = view.getInt32(at + 4, true)
    scores.push(view.getFloat32(at, true))
    vocab.push(Buffer.from(bytes.subarray(at + 8, at + 8 + length)).toString())
    at += 8 + length
  }
  const lookup = new Map(vocab.map((piece, id) => [piece, id]))
  const tokens = [1]
  if (text !== '') tokens.push(lookup.get(' ')!)
  for (const character of text) {
    const id = lookup.get(character)
    if (id !== undefined) tokens.push(id)
    else for (const byte of Buffer.from(character)) tokens.push(byte + 3)
  }
  for (;;) {
    let [bestScore, bestId, bestIndex] = [-1e10, -1, -1]
    for (let i = 0; i < tokens.length - 1; i++) {
      const id = lookup.get(vocab[tokens[i]!]! + vocab[tokens[i + 1]!]!)
      if (id !== undefined && scores[id]! > bestScore) [bestScore, bestId, bestIndex] = [scores[id]!, id, i]
    }
    if (bestIndex === -1) return tokens
    tokens.splice(bestIndex, 2, bestId)
  }
}

const someText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.string({ unit: 'grapheme', maxLength: 8 }),
      fc.constantFrom(
        'Once upon a time',
        ' the',
        'ing',
        ' Lily',
        ', she',
        "n't",
        'aa',
        'ab',
        'ba',
        '1',
        'é',
        '中文',
        '😀',
        '👩‍👩‍👧',
      ),
      fc.constantFrom(
        ' ',
        '  ',
        '                   ',
        '\n',
        '\n\n',
        '\t',
        '▁',
        '<s>',
        '</s>',
        '<unk>',
        '<0x0A>',
        '\n<s>\n',
        '----',
      ),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join('').replaceAll('\0', '')) // a C string ends at its first NUL

async function tokenizerOf(bytes: Uint8Array, vocabSize: number): Promise<Tokenizer> {
  const { json, config } = await llama2cTokenizerJson(memorySource('tok.bin', bytes), vocabSize)
  return createTokenizer(json, { where: 'tok.bin', config })
}

describe("llama2.c's tokenizer as a tokenizer.json", () => {
  it('encodes any text as run.c does (stories260K)', async () => {
    const tokenizer = await tokenizerOf(tok512, 512)
    fc.assert(
      fc.property(someText, (text) => assert.deepEqual(tokenizer.encode(text), encodeAsRunC(tok512, text))),
      { numRuns: 3000 },
    )
  })

  it('encodes any text as run.c does (Llama 2, whose runs of spaces have equal scores)', async function () {
    const path = licensedData(this, 'tokenizers/llama2/tokenizer.bin')
    const bytes = readFileSync(path)
    const tokenizer = await tokenizerOf(bytes, 32000)
    fc.assert(
      fc.property(someText, (text) => assert.deepEqual(tokenizer.encode(text), encodeAsRunC(bytes, text))),
      { numRuns: 20 },
    )
  })

  it('gives any text back, the byte order mark apart', async () => {
    const tokenizer = await tokenizerOf(tok512, 512)
    fc.assert(
      fc.property(someText, (text) => {
        // @huggingface/tokenizers drops U+FEFF where it is spelled by byte tokens.
        const plain = text.replaceAll('\ufeff', '')
        assert.equal(tokenizer.decode(tokenizer.encode(plain)), plain)
      }),
      { numRuns: 1000 },
    )
  })

  it('knows begin, end and unknown as special, and text that looks like them as text', async () => {
    const tokenizer = await tokenizerOf(tok512, 512)
    assert.deepEqual(tokenizer.encode(''), [1])
    assert.deepEqual(tokenizer.encode('', { addSpecialTokens: false }), [])
    assert.equal(tokenizer.decode([1, 403, 2, 0]), 'Once')
    assert.ok(!tokenizer.encode('<s></s><unk>', { addSpecialTokens: false }).some((id) => id < 3))
  })

  it('is found beside the model by the size of its vocabulary, then by its usual name', async () => {
    const find = (entries: Record<string, Uint8Array>) => readLlama2cTokenizer(memoryFiles('m', entries), 512)
    assert.ok(await find({ 'tok512.bin': tok512, 'tokenizer.bin': new Uint8Array(4) }))
    assert.ok(await find({ 'tokenizer.bin': tok512 }))
    assert.equal(await find({ 'tok500.bin': tok512 }), undefined)
  })

  it('refuses files that are cut, too long, damaged or of another vocabulary', async () => {
    const refused = (bytes: Uint8Array, message: RegExp, vocabSize = 512): Promise<void> =>
      fails(() => llama2cTokenizerJson(memorySource('tok.bin', bytes), vocabSize), 'ERR_MODEL_FORMAT', message)
    for (let length = 0; length < tok512.length; length += 7) await refused(tok512.subarray(0, length), /tok\.bin/)
    await refused(tok512, /more than the 511 tokens/, 511)
    await refused(tok512, /ends within token 512/, 513)
    await refused(new Uint8Array(200_000), /too many for the 512 tokens/)
    const changed = (at: number, value: number): Uint8Array => {
      const bytes = Uint8Array.from(tok512)
      new DataView(bytes.buffer).setInt32(at, value, true)
      return bytes
    }
    for (const length of [0, -1, 257, 2 ** 30]) await refused(changed(8, length), /token 0 of tok\.bin claims/)
    const last = tok512.length - 3
    await refused(changed(last - 1, 0xff), /tok\.bin/)
    const firstByteToken = Buffer.from(tok512).indexOf('<0x00>')
    await refused(changed(firstByteToken, 0x30303030), /token 3 of tok\.bin is "00000>"; expected <0x00>/)
    const twice = Uint8Array.from(tok512)
    twice[Buffer.from(twice).lastIndexOf('~')] = '['.charCodeAt(0)
    await refused(twice, /holds 1 tokens twice/)
    const notText = Uint8Array.from(tok512)
    notText[Buffer.from(notText).lastIndexOf('~')] = 0x80
    await refused(notText, /token 510 of tok\.bin is not UTF-8/)
  })
})
