// Tokenizers: golden ids and texts, streams against decoding at once, and files that are damaged.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Tokenizer as Library } from '@huggingface/tokenizers'
import fc from 'fast-check'
import { ArgumentError, DrafthorseError, ModelFormatError } from '../../engine/errors.ts'
import { memorySource } from '../../model/load/files.ts'
import { llama2cTokenizerJson } from '../../model/load/llama2c-tokenizer.ts'
import { createTokenizer, type Tokenizer } from '../../model/tokenizer.ts'
import { golden } from '../golden.ts'
import { repository } from './load/fixtures.ts'

interface Greedy {
  readonly prompt: string
  readonly prompt_ids: number[]
  readonly greedy_ids: number[]
  readonly greedy_text: string
}

const storiesJson: unknown = JSON.parse(readFileSync(repository('models/stories/tokenizer.json'), 'utf8'))
const stories = createTokenizer(storiesJson, { where: 'tokenizer.json' })

async function open260K(): Promise<Tokenizer> {
  const bytes = readFileSync(repository('test/oracles/stories260K/tok512.bin'))
  const { json, config } = await llama2cTokenizerJson(memorySource('tok512.bin', bytes), 512)
  return createTokenizer(json, { where: 'tok512.bin', config })
}

function stream(
  tokenizer: Tokenizer,
  ids: readonly number[],
  options: Parameters<Tokenizer['textStream']>[0] = {},
): string[] {
  const { push, flush } = tokenizer.textStream(options)
  return [...ids.map((id) => push(id)), flush()]
}

describe('the tokenizer of the embedded model', () => {
  const cases: Greedy[] = JSON.parse(readFileSync(repository('test/oracles/stories/greedy.json'), 'utf8'))
  for (const { prompt, prompt_ids, greedy_ids, greedy_text } of cases) {
    it(`encodes and decodes as transformers does: ${prompt.slice(0, 40)}...`, () => {
      assert.deepEqual(stories.encode(prompt), prompt_ids)
      assert.equal(stories.decode(greedy_ids), greedy_text)
      assert.equal(stream(stories, greedy_ids, { after: prompt_ids }).join(''), greedy_text)
      golden()
    })
  }

  it('adds the begin of text, or not, and leaves special tokens out of texts, or not', () => {
    assert.equal(stories.vocabSize, 4096)
    const [first, ...rest] = stories.encode('Once')
    assert.equal(first, 0)
    assert.deepEqual(stories.encode('Once', { addSpecialTokens: false }), rest)
    assert.deepEqual(stories.encode('', { addSpecialTokens: false }), [])
    assert.deepEqual(stories.encode('<|endoftext|>', { addSpecialTokens: false }), [0])
    assert.equal(stories.decode([0, ...rest, 0]), 'Once')
    assert.equal(stories.decode([0, ...rest, 0], { skipSpecialTokens: false }), '<|endoftext|>Once<|endoftext|>')
    assert.equal(stories.decode([]), '')
    assert.equal(stories.decode([0]), '')
  })

  it('gives any text back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        assert.equal(stories.decode(stories.encode(text), { skipSpecialTokens: false }), `<|endoftext|>${text}`)
      }),
    )
  })

  it('refuses ids that the model does not have, and texts that are none', () => {
    for (const id of [4096, -1, 1.5, Number.NaN, Infinity]) {
      assert.throws(
        () => stories.decode([1, id]),
        (error) => error instanceof ArgumentError && error.message.includes(`${id}`),
      )
      assert.throws(() => stories.textStream().push(id), ArgumentError)
      assert.throws(() => stories.textStream({ after: [id] }), ArgumentError)
    }
    const notText: unknown = 5
    assert.throws(() => stories.encode(notText as string), ArgumentError) // as a caller without types may do
  })

  it('gives no text for ids that only the model has', () => {
    const padded = createTokenizer(storiesJson, { where: 'tokenizer.json', modelVocabSize: 4100 })
    assert.equal(padded.vocabSize, 4096)
    const ids = padded.encode('Once upon')
    assert.equal(padded.decode([...ids, 4099]), 'Once upon')
    assert.equal(stream(padded, [4098, ...ids, 4099]).join(''), 'Once upon')
    assert.throws(() => padded.decode([4100]), ArgumentError)
  })
})

describe('special tokens that a text spells out', () => {
  const ids = (text: string): number[] => stories.encode(text, { addSpecialTokens: false })
  const plain = { specialTokens: 'plain', addSpecialTokens: false } as const

  it('are tokens, as in transformers, or the text that they are', () => {
    assert.deepEqual(stories.specialTexts, ['<|endoftext|>'])
    const text = 'One<|endoftext|> two<|endoftext|>'
    assert.equal(ids(text).filter((id) => id === 0).length, 2)
    const encoded = stories.encode(text, plain)
    assert.ok(!encoded.includes(0))
    assert.equal(stories.decode(encoded), text)
    assert.deepEqual(stories.encode(text, { specialTokens: 'plain' }), [0, ...encoded])
    assert.deepEqual(stories.encode('', plain), [])
  })

  it('are not looked for across parts', () => {
    const parts = (...texts: string[]) => texts.map((text) => ({ text, specialTokens: 'parse' }) as const)
    assert.deepEqual(stories.encode(parts('<|endof', 'text|>'), plain), stories.encode('<|endoftext|>', plain))
    assert.deepEqual(stories.encode(parts('One', '<|endoftext|>', ' two'), plain), ids('One<|endoftext|> two'))
    const mixed = [...parts('<|endoftext|>'), { text: '<|endoftext|>', specialTokens: 'plain' } as const]
    assert.deepEqual(stories.encode(mixed, plain), [0, ...stories.encode('<|endoftext|>', plain)])
  })

  it('leave all other texts as they were, whole and in any parts', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 40 })
    const cuts = fc.array(fc.nat(40), { maxLength: 3 })
    fc.assert(
      fc.property(text, cuts, (whole, at) => {
        const ends = [0, ...at.map((cut) => Math.min(cut, whole.length)), whole.length].sort((a, b) => a - b)
        const parts = ends
          .slice(1)
          .map((end, i) => ({ text: whole.slice(ends[i], end), specialTokens: 'plain' }) as const)
        assert.deepEqual(stories.encode(parts), stories.encode(whole))
      }),
    )
  })

  it('are found in parts as in a text, with the spaces that they take from around them', () => {
    const added = [
      { id: 5, content: '<l>', special: true, normalized: false, lstrip: true },
      { id: 6, content: '<r>', special: true, normalized: false, rstrip: true },
      { id: 7, content: '<r>>', special: false, normalized: false },
      { id: 8, content: '\n\n', special: false, normalized: false },
    ]
    const vocab = { a: 0, b: 1, '\u2581': 2, '\u2581a': 3, '<unk>': 4, '\n': 9 }
    for (const prepend_scheme of ['always', 'first', 'never']) {
      const json = {
        added_tokens: added,
        pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme, split: false },
        decoder: { type: 'Metaspace', replacement: '\u2581', prepend_scheme },
        model: { type: 'BPE', vocab, merges: [['\u2581', 'a']], unk_token: '<unk>' },
      }
      const tokenizer = createTokenizer(json, { where: 'tokenizer.json' })
      assert.deepEqual(tokenizer.specialTexts, ['<l>', '<r>', '<r>>'])
      for (const text of ['a', 'a b', 'a <l> b', '<r> a<r>> a', '<l><r>', 'b<r>  <l> a', 'a\n\nb', '?a<r>\n\n<l>a']) {
        const parts = [{ text, specialTokens: 'parse' }] as const
        assert.deepEqual(tokenizer.encode(parts), tokenizer.encode(text), `${prepend_scheme}: ${JSON.stringify(text)}`)
      }
      assert.deepEqual(tokenizer.encode('b\n\nb', plain).includes(8), true)
    }
  })

  it('cannot come from the vocabulary itself: a tokenizer that makes one of plain text says so', () => {
    const json = {
      added_tokens: [{ id: 1, content: '<s>', special: true, normalized: false }],
      model: { type: 'BPE', vocab: { a: 0, '<s>': 1 }, merges: [], ignore_merges: true },
    }
    const tokenizer = createTokenizer(json, { where: 'tokenizer.json' })
    assert.deepEqual(tokenizer.encode('<s>'), [1])
    assert.throws(() => tokenizer.encode('<s>', plain), ModelFormatError)
  })

  it('have two ways only, and parts have a form', () => {
    const wrong: unknown[] = [5, null, {}, [5], [{ text: 5, specialTokens: 'plain' }], [{ text: 'a' }]]
    for (const parts of wrong) assert.throws(() => stories.encode(parts as string), ArgumentError) // as without types
    assert.throws(() => stories.encode('a', { specialTokens: 'maybe' as 'plain' }), ArgumentError)
  })
})

describe('a text stream', () => {
  for (const [name, open] of [
    ['stories', async () => stories],
    ['stories260K', open260K],
  ] as const) {
    it(`joined is the text decoded at once, for any ids (${name})`, async () => {
      const tokenizer = await open()
      const ids = fc.array(fc.nat(tokenizer.vocabSize - 1), { maxLength: 120, size: 'max' })
      // Byte tokens: most of their sequences are no UTF-8, which is where streams go wrong.
      const bytes = fc.array(fc.integer({ min: 3, max: 258 }), { maxLength: 120, size: 'max' })
      const mixed = fc.array(fc.oneof(fc.nat(tokenizer.vocabSize - 1), fc.integer({ min: 3, max: 258 })), {
        maxLength: 120,
      })
      fc.assert(
        fc.property(fc.oneof(ids, bytes, mixed), fc.boolean(), (all, skipSpecialTokens) => {
          const pieces = stream(tokenizer, all, { skipSpecialTokens })
          assert.equal(pieces.join(''), tokenizer.decode(all, { skipSpecialTokens }))
        }),
        { numRuns: 1000 },
      )
    })

    it(`never gives half a character (${name})`, async () => {
      const tokenizer = await open()
      fc.assert(
        fc.property(
          fc.array(fc.constantFrom('é', '中', '😀', 'a', ' ', '\n', '👩‍👩‍👧', 'ok'), { maxLength: 40 }),
          (parts) => {
            const text = parts.join('')
            const pieces = stream(tokenizer, tokenizer.encode(text))
            assert.equal(pieces.join(''), text)
            for (const piece of pieces) assert.doesNotMatch(piece, /[\ud800-\udfff\ufffd]/u)
          },
        ),
      )
    })

    it(`gives what follows the ids before it, leading space included (${name})`, async () => {
      const tokenizer = await open()
      const all = tokenizer.encode('One day, a 😀 dog ran to the park and saw a very big red ball there')
      const text = tokenizer.decode(all)
      for (let cut = 0; cut <= all.length; cut++) {
        const head = tokenizer.decode(all.slice(0, cut)).replace(/\ufffd$/, '')
        const rest = stream(tokenizer, all.slice(cut), { after: all.slice(0, cut) }).join('')
        assert.equal(head + rest, text)
      }
    })
  }

  it('holds a character back until its last byte, and gives U+FFFD if that never comes', async () => {
    const tokenizer = await open260K()
    const [a, b, c, d] = [0xf0, 0x9f, 0x98, 0x80].map((byte) => byte + 3)
    assert.deepEqual(stream(tokenizer, [a!, b!, c!, d!]), ['', '', '', '😀', ''])
    assert.deepEqual(stream(tokenizer, [a!, b!]), ['', '', '\ufffd'])
    assert.deepEqual(stream(tokenizer, [a!, a!, 0x41 + 3]), ['', '\ufffd', '\ufffdA', ''])
  })

  it('decodes a bounded number of ids for each, also where none gives whole characters', async () => {
    const tokenizer = await open260K()
    const { prototype } = Library as unknown as { prototype: { decode(ids: number[], options: object): string } } // untyped
    const { decode } = prototype
    let most = 0
    let total = 0
    prototype.decode = function (ids, options) {
      most = Math.max(most, ids.length)
      total += ids.length
      return decode.call(this, ids, options)
    }
    try {
      const pieces = stream(tokenizer, new Array<number>(5000).fill(0x80 + 3), {
        after: tokenizer.encode('a b '.repeat(500)),
      })
      assert.equal(pieces.join(''), '\ufffd'.repeat(5000))
    } finally {
      prototype.decode = decode
    }
    assert.ok(most <= 32 && total <= 5000 * 32, `${most} ids at once, ${total} in all`)
  })
})

describe('createTokenizer', () => {
  const small = {
    added_tokens: [{ id: 4, content: '<end>', special: true }],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<end>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: {},
    },
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2, aab: 3 }, merges: ['a b', 'a ab'] },
  }
  const create = (json: unknown): Tokenizer => createTokenizer(json, { where: 'tokenizer.json' })

  it('reads merges as text and as pairs, and takes absent parts for none', () => {
    assert.deepEqual(create(small).encode('aabab'), [4, 3, 2])
    const pairs = {
      ...small,
      model: {
        ...small.model,
        merges: [
          ['a', 'b'],
          ['a', 'ab'],
        ],
      },
    }
    assert.deepEqual(create(pairs).encode('aabab'), [4, 3, 2])
    assert.deepEqual(create({ model: small.model }).encode('aabab'), [3, 2])
  })

  it('refuses what is no tokenizer, naming the file', () => {
    for (const bad of [
      null,
      [],
      {},
      { model: null },
      { model: {} },
      { ...small, model: { type: 'BPE', vocab: {}, merges: [] }, added_tokens: [] },
      { ...small, model: { ...small.model, vocab: { a: -1 } } },
      { ...small, model: { ...small.model, vocab: { a: 1e9 } } },
      { ...small, model: { ...small.model, vocab: { a: '0' } } },
      { ...small, model: { ...small.model, merges: ['a b c'] } },
      { ...small, model: { ...small.model, merges: [['a']] } },
      { ...small, model: { ...small.model, merges: { a: 'b' } } },
      { ...small, model: { ...small.model, merges: undefined } },
      { ...small, added_tokens: [{ content: '<x>' }] },
      { ...small, added_tokens: [null] },
      { ...small, decoder: { type: 'Telepathy' } },
      { ...small, pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated' } },
    ]) {
      assert.throws(
        () => create(bad),
        (error) => {
          return error instanceof ModelFormatError && error.message.includes('tokenizer.json')
        },
        JSON.stringify(bad),
      )
    }
  })

  it('names a token of the template that has no id', () => {
    const broken = { ...small, added_tokens: [] }
    assert.throws(
      () => create(broken).encode('a'),
      (error) => error instanceof ModelFormatError && /"<end>"/.test(error.message),
    )
  })

  it('throws typed errors and no others, whatever part of the file is replaced by junk', () => {
    const paths: (string | number)[][] = []
    const walk = (value: unknown, path: (string | number)[]): void => {
      paths.push(path)
      if (typeof value !== 'object' || value === null) return
      for (const [key, child] of Object.entries(value)) walk(child, [...path, key])
    }
    walk(small, [])
    const junk = [null, 0, -1, 1e308, '', 'x', true, [], {}, [[]], [null], { type: 'BPE' }, { type: 1 }]
    for (const path of paths) {
      for (const value of junk) {
        const copy: unknown = path.length === 0 ? value : structuredClone(small)
        let at = copy as Record<string | number, Record<string | number, never>> // indexed by paths taken from the same object
        for (const key of path.slice(0, -1)) at = at[key]!
        if (path.length > 0) at[path.at(-1)!] = value as never
        try {
          const tokenizer = create(copy)
          const ids = tokenizer.encode('aab b')
          stream(tokenizer, ids)
          tokenizer.decode(ids)
        } catch (error) {
          assert.ok(error instanceof DrafthorseError, `${path.join('.')} = ${JSON.stringify(value)}: ${String(error)}`)
        }
      }
    }
  })
})
