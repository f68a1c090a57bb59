// GGUF: files of gguf-py read exactly, and heads that are truncated, flipped, hostile or merely wrong.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { loadModel } from 'drafthorse'
import { inverseFrequencies } from 'drafthorse/model'
import fc from 'fast-check'
import { type ByteSource, memoryFiles, memorySource } from '../../../model/load/files.ts'
import { parseGguf } from '../../../model/load/gguf.ts'
import { llamaOf, openGguf } from '../../../model/load/gguf-llama.ts'
import { argmax, firm, folderOf, readGolden } from '../../checkpoints.ts'
import { golden } from '../../golden.ts'
import { codeOf, fails, readSafetensors, repository, typedCodes, watched } from './fixtures.ts'

/** A metadata value: the number of its type, and its bytes. */
type Value = readonly [type: number, bytes: Buffer]

const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer)
const u64 = (value: number | bigint): Buffer => Buffer.from(BigUint64Array.of(BigInt(value)).buffer)
const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)])
const whole = (value: number): Value => [4, u32(value)]
const words = (value: string): Value => [8, text(value)]
const float = (value: number): Value => [6, Buffer.from(Float32Array.of(value).buffer)]
const list = (type: number, parts: readonly Buffer[]): Value => [
  9,
  Buffer.concat([u32(type), u64(parts.length), ...parts]),
]

interface RawTensor {
  readonly name: string
  /** As in the file: the fastest axis first. */
  readonly axes: readonly (number | bigint)[]
  readonly type: number
  readonly offset: number
}

interface Raw {
  readonly magic: string
  readonly version: number
  readonly metadata: readonly (readonly [key: string, value: Value])[]
  readonly tensors: readonly RawTensor[]
  readonly data: number
}

const raw: Raw = {
  magic: 'GGUF',
  version: 3,
  metadata: [
    ['general.architecture', words('llama')],
    ['answer', whole(42)],
    ['tokens', list(8, [text('a'), text('bc'), text('')])],
    ['scores', list(6, [float(1)[1], float(-2)[1]])],
    ['flag', [7, Buffer.of(1)]],
    ['large', [10, u64(2 ** 40)]],
    ['small', [1, Buffer.of(0xfe)]],
  ],
  tensors: [
    { name: 'a', axes: [3, 2], type: 0, offset: 0 },
    { name: 'b', axes: [32, 2], type: 8, offset: 32 },
  ],
  data: 100,
}

function gguf({ magic, version, metadata, tensors, data }: Raw): Uint8Array {
  const head = Buffer.concat([
    Buffer.from(magic),
    u32(version),
    u64(tensors.length),
    u64(metadata.length),
    ...metadata.flatMap(([key, [type, bytes]]) => [text(key), u32(type), bytes]),
    ...tensors.flatMap(({ name, axes, type, offset }) => [
      text(name),
      u32(axes.length),
      ...axes.map(u64),
      u32(type),
      u64(offset),
    ]),
  ])
  const start = Math.ceil(head.length / 32) * 32
  const out = new Uint8Array(start + data)
  out.set(head)
  for (let i = 0; i < data; i++) out[start + i] = i + 1
  return out
}

const parse = (bytes: Uint8Array): ReturnType<typeof parseGguf> => parseGguf(memorySource('x.gguf', bytes))

describe('parseGguf', () => {
  it('reads numbers, texts and tensors, and arrays when they are asked for', async () => {
    const { metadata, tensors } = await parse(gguf(raw))
    assert.equal(metadata.get('general.architecture'), 'llama')
    assert.equal(metadata.get('answer'), 42)
    assert.equal(metadata.get('flag'), true)
    assert.equal(metadata.get('large'), 2 ** 40)
    assert.equal(metadata.get('small'), -2)
    const [tokens, scores] = [metadata.get('tokens'), metadata.get('scores')]
    assert.ok(typeof tokens === 'object' && typeof scores === 'object')
    assert.equal(tokens.length, 3)
    assert.deepEqual(await tokens.read(), ['a', 'bc', ''])
    assert.deepEqual(await scores.read(), [1, -2])
    const [a, b] = [tensors.get('a')!, tensors.get('b')!]
    assert.deepEqual([a.type, a.shape, a.byteLength], ['F32', [2, 3], 24])
    assert.deepEqual([b.type, b.shape, b.byteLength], ['Q8_0', [2, 32], 68])
    assert.deepEqual(
      [...(await a.read())],
      Array.from({ length: 24 }, (_, i) => i + 1),
    )
    assert.equal((await b.read())[0], 33)
  })

  it('reads a head in pieces, and none of the data', async () => {
    const many = Array.from({ length: 40000 }, (_, i) => text(`token number ${i} of a long vocabulary`))
    const bytes = gguf({ ...raw, metadata: [...raw.metadata, ['vocabulary', list(8, many)]] })
    const source = watched(memorySource('x.gguf', bytes))
    const { metadata } = await parseGguf(source)
    assert.ok(source.largest() <= 2 ** 20 && bytes.length > 2 ** 20)
    const vocabulary = metadata.get('vocabulary')
    assert.ok(typeof vocabulary === 'object')
    assert.equal((await vocabulary.read()).at(-1), 'token number 39999 of a long vocabulary')
  })

  const wrong: Record<string, [change: Partial<Raw>, message: RegExp]> = {
    'another magic': [{ magic: 'GGML' }, /does not begin with "GGUF"/],
    'version 1': [{ version: 1 }, /version is 1; expected 2 or 3/],
    'the other byte order': [{ version: 3 << 24 }, /little-endian/],
    'a key twice': [{ metadata: [...raw.metadata, ['answer', whole(1)]] }, /"answer" is there twice/],
    'a tensor twice': [{ tensors: [raw.tensors[0]!, { ...raw.tensors[1]!, name: 'a' }] }, /tensor "a" is there twice/],
    'a type of value that is not known': [{ metadata: [['x', [13, u32(0)]]] }, /"x" has type 13/],
    'an array of arrays': [{ metadata: [['x', list(9, [])]] }, /array of arrays/],
    'a text longer than the file': [{ metadata: [['x', [8, u64(1e9)]]] }, /length of metadata "x" is 1000000000, more/],
    'an array longer than the file': [
      { metadata: [['x', [9, Buffer.concat([u32(4), u64(2 ** 50)])]]] },
      /the length of metadata "x" is 1125899906842624, more/,
    ],
    'a tensor type that is not known': [{ tensors: [{ ...raw.tensors[0]!, type: 99 }] }, /"a" has type 99/],
    'no axes': [{ tensors: [{ ...raw.tensors[0]!, axes: [] }] }, /"a" has 0 axes/],
    'five axes': [{ tensors: [{ ...raw.tensors[0]!, axes: [1, 1, 1, 1, 1] }] }, /"a" has 5 axes/],
    'rows that do not fill blocks': [
      { tensors: [{ ...raw.tensors[1]!, axes: [33, 2], offset: 0 }] },
      /rows of 33 values/,
    ],
    'a dimension past what can be counted': [
      { tensors: [{ ...raw.tensors[0]!, axes: [2n ** 63n] }] },
      /dimension of tensor "a"/,
    ],
    'sizes that multiply past what can be counted': [
      { tensors: [{ ...raw.tensors[0]!, axes: [2 ** 40, 2 ** 40] }] },
      /more than can be counted|truncated/,
    ],
    'a hole between tensors': [
      { tensors: [raw.tensors[0]!, { ...raw.tensors[1]!, offset: 64 }] },
      /"b" is at 64; .* at 32/,
    ],
    'overlapping tensors': [{ tensors: [raw.tensors[0]!, { ...raw.tensors[1]!, offset: 0 }] }, /"b" is at 0; .* at 32/],
    'data that is cut': [{ data: 99 }, /"b" ends at byte \d+ of \d+: the file is truncated/],
    'an alignment of 3': [{ metadata: [['general.alignment', whole(3)]] }, /alignment" is 3; expected a power of two/],
    'an alignment of 0': [{ metadata: [['general.alignment', whole(0)]] }, /expected a power of two/],
    'an alignment in words': [{ metadata: [['general.alignment', words('much')]] }, /expected a power of two/],
  }
  for (const [name, [change, message]] of Object.entries(wrong)) {
    it(`refuses ${name}`, () => fails(() => parse(gguf({ ...raw, ...change })), 'ERR_MODEL_FORMAT', message))
  }

  it('refuses counts that the file cannot hold, before memory is taken', async () => {
    for (const at of [8, 16]) {
      const bytes = gguf(raw)
      new DataView(bytes.buffer).setBigUint64(at, 2n ** 40n, true)
      await fails(() => parse(bytes), 'ERR_MODEL_FORMAT', /the number of .* is 1099511627776, more than its/)
    }
  })

  it('refuses counts that no model has, however large the file', async () => {
    /** A file that is followed by many zeros. */
    const long = (bytes: Uint8Array): ByteSource => ({
      name: 'x.gguf',
      size: 2 ** 40,
      async read(offset, length) {
        const piece = new Uint8Array(length)
        piece.set(bytes.subarray(offset, offset + length))
        return piece
      },
      async close() {},
    })
    for (const at of [8, 16]) {
      const bytes = gguf(raw)
      new DataView(bytes.buffer).setBigUint64(at, 2n ** 20n, true)
      await fails(
        () => parseGguf(long(bytes)),
        'ERR_MODEL_FORMAT',
        /has .*1048576.*; at most 131072 and 65536 are read/,
      )
    }
    const count = Buffer.concat([u32(0), u64(2 ** 23)])
    const file = gguf({ ...raw, metadata: [['bytes', [9, count]]], tensors: [] })
    const { metadata } = await parseGguf(long(file))
    const bytes = metadata.get('bytes')
    assert.ok(typeof bytes === 'object')
    await fails(() => bytes.read(), 'ERR_MODEL_FORMAT', /"bytes" has 8388608 items; at most 4194304 are read/)
  })

  it('refuses a file cut at any byte of its head', async () => {
    const bytes = gguf(raw)
    for (let length = 0; length < bytes.length - raw.data; length++) {
      await fails(() => parse(bytes.slice(0, length)), 'ERR_MODEL_FORMAT', /x\.gguf/)
    }
  })
})

describe('a model in GGUF', () => {
  const read = (name: string): Uint8Array => readFileSync(repository(`test/oracles/gguf/${name}.gguf`))

  const names = ['gqa-tied-bf16', 'wide-head-bias-f32', 'llama3-rope-sharded-f16', 'qwen2', 'qwen3'] as const
  for (const name of names) {
    it(`has the config and the tensors of the checkpoint that gguf-py wrote it from: ${name}`, async () => {
      const { config, tensors } = await openGguf(memoryFiles('x', { 'x.gguf': read(name) }), 'x.gguf')
      await using original = await loadModel(folderOf(name), { backend: 'reference' })
      const { rmsNormEps, ropeScaling, ...rest } = config
      const { rmsNormEps: expected, ropeScaling: scaling, ...others } = original.config
      assert.deepEqual({ ...rest, storedDType: others.storedDType }, others)
      assert.equal(rmsNormEps, Math.fround(expected))
      assert.equal(ropeScaling.type, scaling.type)
      const frequencies = inverseFrequencies(config)
      for (const [i, frequency] of inverseFrequencies(original.config).entries()) {
        assert.ok(Math.abs(frequencies[i]! - frequency) <= 1e-6 * frequency)
      }
      const files = readdirSync(folderOf(name)).filter((file) => /^model.*\.safetensors$/.test(file))
      const stored = new Map(files.flatMap((file) => [...readSafetensors(`${folderOf(name)}/${file}`)]))
      assert.deepEqual([...tensors.keys()].sort(), [...stored.keys()].sort())
      for (const [key, tensor] of tensors) {
        const { shape, bytes } = stored.get(key)!
        assert.deepEqual(tensor.shape, shape)
        // The converter keeps norms and biases in f32.
        if (shape.length > 1) assert.deepEqual(new Uint8Array(await tensor.read()), bytes, key)
      }
    })

    it(`gives the golden logits and greedy ids: ${name}`, async () => {
      const example = await readGolden(name)
      const files = memoryFiles(name, { 'x.gguf': read(name) }, { file: 'x.gguf' })
      await using model = await loadModel(files, { backend: 'reference' })
      const { vocabSize } = model.config
      for (const each of example.cases) {
        const { name: set, skip, logits: expected, greedyIds } = each
        const logits = await model.logits(example.inputIds, { skip })
        const error = logits.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)
        assert.ok(error <= 1e-3, `skipping ${set}: off by ${error}`)
        const count = firm(each)
        const all = await model.logits([...example.inputIds, ...greedyIds.slice(0, count)], { skip })
        const rows = greedyIds.slice(0, count).map((_, i) => (example.inputIds.length - 1 + i) * vocabSize)
        assert.deepEqual(
          rows.map((at) => argmax(all.subarray(at, at + vocabSize))),
          greedyIds.slice(0, count),
        )
      }
      golden(example.cases.length)
    })
  }

  const llama: Raw['metadata'] = [
    ['general.architecture', words('llama')],
    ['llama.embedding_length', whole(64)],
    ['llama.block_count', whole(1)],
    ['llama.feed_forward_length', whole(32)],
    ['llama.attention.head_count', whole(2)],
    ['llama.context_length', whole(128)],
    ['llama.attention.layer_norm_rms_epsilon', float(1e-5)],
  ]
  const embedding = { name: 'token_embd.weight', axes: [64, 10], type: 0, offset: 0 }
  const small: Raw = { ...raw, metadata: llama, tensors: [embedding], data: 2560 }
  const config = async (change: Partial<Raw> = {}) =>
    llamaOf(await parse(gguf({ ...small, ...change })), 'x.gguf').config
  const plus = (...more: Raw['metadata']): Partial<Raw> => ({ metadata: [...llama, ...more] })

  it('has what llama.cpp takes for granted where the metadata is silent', async () => {
    const { vocabSize, headDim, numKeyValueHeads, ropeTheta, ropeScaling, tieWordEmbeddings } = await config()
    assert.deepEqual(
      { vocabSize, headDim, numKeyValueHeads, ropeTheta, ropeScaling, tieWordEmbeddings },
      {
        vocabSize: 10,
        headDim: 32,
        numKeyValueHeads: 2,
        ropeTheta: 10000,
        ropeScaling: { type: 'default' },
        tieWordEmbeddings: true,
      },
    )
    const linear = plus(['llama.rope.scaling.type', words('linear')], ['llama.rope.scaling.factor', float(4)])
    assert.deepEqual((await config(linear)).ropeScaling, { type: 'linear', factor: 4 })
    assert.equal((await config(plus(['llama.attention.sliding_window', whole(0)]))).slidingWindow, undefined)
    const { modelType, slidingWindow } = await config(plus(['llama.attention.sliding_window', whole(64)]))
    assert.deepEqual([modelType, slidingWindow], ['mistral', 64])
    const ends = plus(['tokenizer.ggml.eos_token_id', whole(3)], ['tokenizer.ggml.eot_token_id', whole(5)])
    assert.deepEqual((await config(ends)).eosTokenIds, [3, 5])
  })

  it('ends texts at control tokens that llama.cpp knows by their text, beside those that the metadata names', async () => {
    const tokens = [
      'a',
      '<|endoftext|>',
      '<|im_start|>',
      '<|im_end|>',
      '</s>',
      'b',
      '<EOT>',
      '<|eot_id|>',
      'c',
      'd',
      '<|end|>',
    ]
    const types = [1, 3, 3, 3, 1, 1, 4, 3, 1, 1, 3]
    const named: Raw['metadata'] = [
      ['tokenizer.ggml.eos_token_id', whole(1)],
      ['tokenizer.ggml.tokens', list(8, tokens.map(text))],
    ]
    const endsOf = async (...metadata: Raw['metadata']) => {
      const files = memoryFiles('x', { x: gguf({ ...small, ...plus(...named, ...metadata) }) })
      const { config, source } = await openGguf(files, 'x')
      await source.close()
      return config.eosTokenIds
    }
    // <|end|> has an id that the model does not have.
    assert.deepEqual(await endsOf(['tokenizer.ggml.token_type', list(5, types.map(u32))]), [1, 3, 7])
    assert.deepEqual(await endsOf(['tokenizer.ggml.token_type', list(5, types.slice(0, 3).map(u32))]), [1])
    assert.deepEqual(await endsOf(), [1])
  })

  const refused: Record<string, [change: Partial<Raw>, message: RegExp]> = {
    'another architecture': [
      { metadata: [['general.architecture', words('qwen2moe')]] },
      /"qwen2moe" model; .*llama, qwen2, qwen3/,
    ],
    'no architecture': [{ metadata: [] }, /undefined model/],
    'one of two parts': [{ metadata: [['split.count', whole(2)]] }, /one of 2 parts.*llama-gguf-split --merge/],
    experts: [plus(['llama.expert_count', whole(8)]), /expert_count" 8; expected no experts/],
    'half rotated heads': [plus(['llama.rope.dimension_count', whole(16)]), /rotates 16 values of heads of 32/],
    'yarn scaling': [plus(['llama.rope.scaling.type', words('yarn')]), /"yarn" is not supported/],
    'layers with windows and without': [
      plus(['llama.attention.sliding_window_pattern', whole(4)]),
      /sliding_window_pattern" 4; expected layers that all see the same window/,
    ],
    'no width': [
      { metadata: llama.filter(([key]) => key !== 'llama.embedding_length') },
      /no "llama\.embedding_length"/,
    ],
    'heads in words': [plus(['llama.attention.head_count_kv', words('two')]), /num_key_value_heads/],
  }
  for (const [name, [change, message]] of Object.entries(refused)) {
    it(`refuses ${name}`, () => fails(() => config(change), 'ERR_MODEL_FORMAT', message))
  }

  it('names the types that weights are read from', async () => {
    const packed = { ...embedding, axes: [256, 10], type: 15 }
    const { tensors } = llamaOf(await parse(gguf({ ...small, tensors: [packed], data: 2920 })), 'x.gguf')
    const tensor = tensors.get('model.embed_tokens.weight')!
    await fails(
      () => tensor.read(),
      'ERR_DTYPE',
      /token_embd\.weight" is Q8_K; .*F32, F16, BF16, Q8_0, Q4_0, Q4_1, .*Q4_K/,
    )
  })

  it('loads, or refuses with a typed error, whatever byte of the head is changed', async function () {
    this.timeout(60_000)
    const bytes = read('gqa-tied-bf16')
    const head = 4096
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: head }), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = Uint8Array.from(bytes)
        changed[at]! ^= flip
        try {
          const files = memoryFiles('x', { 'x.gguf': changed }, { file: 'x.gguf' })
          await using model = await loadModel(files, { backend: 'reference' })
          assert.ok(model.summary.parameters > 0)
        } catch (error) {
          assert.ok(typedCodes.has(codeOf(error)), String(error instanceof Error ? error.stack : error))
        }
      }),
      { numRuns: 300 },
    )
  })
})
