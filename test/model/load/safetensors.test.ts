// safetensors: exact tensors, and headers that are truncated, flipped, hostile or merely wrong.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { memoryFiles, memorySource } from '../../../model/load/files.ts'
import { openShardedSafetensors, parseSafetensors, weightType } from '../../../model/load/safetensors.ts'
import { codeOf, fails, json, readSafetensors, repository, safetensors, typedCodes, watched } from './fixtures.ts'

const header = {
  __metadata__: { format: 'pt' },
  b: { dtype: 'BF16', shape: [2, 3], data_offsets: [16, 28] },
  a: { dtype: 'F32', shape: [4], data_offsets: [0, 16] },
  e: { dtype: 'F16', shape: [0, 7], data_offsets: [28, 28] },
}
const data = Uint8Array.from({ length: 28 }, (_, i) => i + 1)
const good = safetensors(header, data)

const parse = (bytes: Uint8Array): ReturnType<typeof parseSafetensors> =>
  parseSafetensors(memorySource('x.safetensors', bytes))

/** Reads everything, and checks that each tensor has the bytes that its type and shape call for. */
async function readAll(bytes: Uint8Array): Promise<number> {
  const bits = { F32: 32, F16: 16, BF16: 16, I32: 32, U32: 32, I16: 16, U16: 16 } as const
  const { tensors } = await parse(bytes)
  for (const tensor of tensors.values()) {
    const read = await tensor.read()
    assert.equal(read.length, tensor.byteLength)
    const known = Object.entries(bits).find(([dtype]) => dtype === tensor.dtype)
    if (known)
      assert.equal(
        read.length * 8,
        tensor.shape.reduce((a, b) => a * b, known[1]),
      )
  }
  return tensors.size
}

describe('parseSafetensors', () => {
  it('lists tensors in any order of the header, and reads their bytes', async () => {
    const { metadata, tensors } = await parse(good)
    assert.deepEqual([...metadata], [['format', 'pt']])
    assert.deepEqual([...tensors.keys()].sort(), ['a', 'b', 'e'])
    assert.deepEqual([...(await tensors.get('a')!.read())], [...data.subarray(0, 16)])
    const b = tensors.get('b')!
    assert.deepEqual([b.dtype, b.shape, b.byteLength], ['BF16', [2, 3], 12])
    assert.deepEqual([...(await b.read())], [...data.subarray(16)])
    assert.equal((await tensors.get('e')!.read()).length, 0)
  })

  it('agrees with an independent reading of golden files, integers included', async () => {
    for (const path of ['test/oracles/hf/gqa-tied-bf16/golden.safetensors', 'test/oracles/gguf/blocks.safetensors']) {
      const { tensors } = await parse(readFileSync(repository(path)))
      const expected = readSafetensors(repository(path))
      assert.deepEqual([...tensors.keys()].sort(), [...expected.keys()].sort())
      for (const [name, tensor] of tensors) {
        const { dtype, shape, bytes } = expected.get(name)!
        assert.deepEqual([tensor.dtype, tensor.shape], [dtype, shape])
        assert.deepEqual(Uint8Array.from(await tensor.read()), bytes)
      }
    }
  })

  it('lists integer tensors, and says that they cannot be weights', async () => {
    const { tensors } = await parse(
      safetensors({ ids: { dtype: 'I32', shape: [1], data_offsets: [0, 4] } }, new Uint8Array(4)),
    )
    await fails(
      () => weightType(tensors.get('ids')!),
      'ERR_DTYPE',
      /"ids" is I32; weights are read from F32, F16, BF16/,
    )
  })

  it('takes a header padded with spaces, and one without tensors', async () => {
    assert.equal(await readAll(safetensors(`${JSON.stringify(header)}   `, data)), 3)
    assert.equal(await readAll(safetensors({})), 0)
  })

  it('is a typed error at every length that the file can be cut to', async () => {
    for (let length = 0; length < good.length; length++) {
      await fails(() => parse(good.subarray(0, length)), 'ERR_MODEL_FORMAT', /x\.safetensors/)
    }
    await fails(() => parse(Uint8Array.from([...good, 0])), 'ERR_MODEL_FORMAT', /take 28 bytes, but it holds 29/)
  })

  it('with any bit of its header flipped is a typed error, or a file that is still consistent', async () => {
    const headerEnd = good.length - data.length
    let refused = 0
    for (let bit = 0; bit < headerEnd * 8; bit++) {
      const flipped = Uint8Array.from(good)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      try {
        await readAll(flipped)
      } catch (error) {
        assert.ok(typedCodes.has(codeOf(error)), `bit ${bit}: ${error instanceof Error ? error.stack : error}`)
        refused++
      }
    }
    assert.ok(refused > headerEnd * 4, `${refused} of ${headerEnd * 8} flips were refused`)
  })

  it('takes no memory for lengths and shapes that the file cannot hold', async () => {
    const huge = [
      safetensors({ a: { dtype: 'F32', shape: [2 ** 40], data_offsets: [0, 2 ** 42] } }),
      safetensors({ a: { dtype: 'F32', shape: [2 ** 20, 2 ** 20], data_offsets: [0, 16] } }, data.subarray(0, 16)),
      safetensors({ a: { dtype: 'U8', shape: [2 ** 52, 2 ** 52, 0], data_offsets: [0, 0] } }),
      safetensors({ a: { dtype: 'U8', shape: [2 ** 53 - 1, 2 ** 53 - 1], data_offsets: [0, 2 ** 53 - 1] } }),
      Uint8Array.from([0, 0, 0, 0, 0, 1, 0, 0, 0x7b, 0x7d]), // a header of 2^40 bytes
      Uint8Array.from([255, 255, 255, 255, 255, 255, 255, 255, 0x7b, 0x7d]),
    ]
    for (const bytes of huge) {
      const source = watched(memorySource('huge.safetensors', bytes))
      await fails(() => parseSafetensors(source), 'ERR_MODEL_FORMAT', /huge\.safetensors/)
      assert.ok(source.largest() <= bytes.length)
    }
  })

  it('refuses a header past the limit of 100 MB, also in a file that has room for it', async () => {
    const source = { ...memorySource('big', safetensors({})), size: 2 ** 40 }
    const prefix = Buffer.alloc(8)
    prefix.writeBigUInt64LE(100_000_001n)
    await fails(
      () => parseSafetensors({ ...source, read: async () => prefix }),
      'ERR_MODEL_FORMAT',
      /100000000 at most/,
    )
  })

  const entry = { dtype: 'F32', shape: [4], data_offsets: [0, 16] }
  const bad: [name: string, header: unknown, message: RegExp][] = [
    [
      'offsets beyond the file',
      { a: { ...entry, shape: [8], data_offsets: [0, 32] } },
      /take 32 bytes, but it holds 16/,
    ],
    ['a hole', { a: { ...entry, shape: [3], data_offsets: [4, 16] } }, /"a".*begins at byte 4.*expected 0/],
    [
      'an overlap',
      { a: entry, b: { ...entry, shape: [2], data_offsets: [8, 16] } },
      /"b".*begins at byte 8.*expected 16/,
    ],
    ['two names for the same bytes', { a: entry, b: entry }, /begins at byte 0.*expected 16/],
    [
      'bytes that belong to no tensor',
      { a: { ...entry, shape: [3], data_offsets: [0, 12] } },
      /take 12 bytes, but it holds 16/,
    ],
    ['offsets in the wrong order', { a: { ...entry, data_offsets: [16, 0] } }, /data_offsets/],
    [
      'a shape that is too small',
      { a: { ...entry, shape: [3] } },
      /which is 12 bytes, but its data_offsets \[0,16\] hold 16/,
    ],
    ['an unknown type', { a: { ...entry, dtype: 'F31' } }, /"F31"/],
    ['a type that is no text', { a: { ...entry, dtype: 32 } }, /type 32/],
    ['a negative dimension', { a: { ...entry, shape: [-4] } }, /shape \[-4\]/],
    ['a fraction', { a: { ...entry, shape: [0.5, 8] } }, /shape/],
    ['a dimension as text', { a: { ...entry, shape: ['4'] } }, /shape/],
    ['no shape', { a: { dtype: 'F32', data_offsets: [0, 16] } }, /shape undefined/],
    ['three offsets', { a: { ...entry, data_offsets: [0, 16, 16] } }, /data_offsets/],
    ['a tensor that is no object', { a: [1] }, /"a".*is a list/],
    ['metadata that is no text', { __metadata__: { n: 1 }, a: entry }, /"__metadata__".*"n"/],
    ['metadata that is a list', { __metadata__: [], a: entry }, /"__metadata__"/],
    ['a list for a header', '[]', /does not begin with "{"/],
    ['leading space', ' {}', /does not begin with "{"/],
    ['broken JSON', '{"a":', /is not JSON/],
    ['a name with control characters', { '\u001b[2J\u0085': { ...entry, dtype: 0 } }, /\\u001b\[2J\ufffd/],
  ]
  for (const [name, value, message] of bad) {
    it(`refuses ${name}`, () =>
      fails(() => parse(safetensors(value, data.subarray(0, 16))), 'ERR_MODEL_FORMAT', message))
  }

  it('refuses a header that is not UTF-8', async () => {
    const bytes = Uint8Array.from(good)
    bytes[bytes.indexOf(0x70, 8)] = 0xff // the p of "pt"
    await fails(() => parse(bytes), 'ERR_MODEL_FORMAT', /is not JSON/)
  })

  it('keeps odd names as they are', async () => {
    const odd =
      '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}'
    const { tensors } = await parse(safetensors(odd, data.subarray(0, 2)))
    assert.deepEqual([...tensors.keys()], ['__proto__', ''])
    assert.deepEqual([...(await tensors.get('')!.read())], [2])
  })
})

describe('openShardedSafetensors', () => {
  const shard = (name: string, byte: number): Uint8Array =>
    safetensors({ [name]: { dtype: 'U8', shape: [1], data_offsets: [0, 1] } }, Uint8Array.of(byte))
  const shards = { '1.safetensors': shard('a', 1), 'sub/2.safetensors': shard('b', 2) }
  const open = (index: unknown): ReturnType<typeof openShardedSafetensors> =>
    openShardedSafetensors(memoryFiles('m', { ...shards, 'index.json': json(index) }), 'index.json')

  it('finds each tensor in its file', async () => {
    const { tensors, close } = await open({ metadata: {}, weight_map: { a: '1.safetensors', b: 'sub/2.safetensors' } })
    assert.deepEqual([...(await tensors.get('a')!.read())], [1])
    assert.deepEqual([...(await tensors.get('b')!.read())], [2])
    await close()
  })

  it('refuses file names that leave the folder, before opening them', async () => {
    for (const name of [
      '../1.safetensors',
      '/etc/passwd',
      '..\\1.safetensors',
      'C:\\x',
      'sub/../../x',
      'a\0b',
      '.',
      '',
    ]) {
      await fails(
        () => open({ weight_map: { a: name } }),
        'ERR_MODEL_FORMAT',
        /index\.json, for tensor "a", names the file/,
      )
    }
  })

  it('names what is missing: a file, a tensor in its file, the map', async () => {
    await fails(() => open({ weight_map: { a: '3.safetensors' } }), 'ERR_NOT_FOUND', /"3\.safetensors"/)
    await fails(
      () => open({ weight_map: { b: '1.safetensors' } }),
      'ERR_MODEL_FORMAT',
      /"b" in 1\.safetensors, which does not have it/,
    )
    await fails(() => open({ weight_map: { a: 1 } }), 'ERR_MODEL_FORMAT', /"a" in 1; expected a file name/)
    await fails(() => open({}), 'ERR_MODEL_FORMAT', /"weight_map" of index\.json is missing/)
    await fails(() => open([]), 'ERR_MODEL_FORMAT', /index\.json is a list/)
    await fails(() => open('{'), 'ERR_MODEL_FORMAT', /index\.json is not JSON/)
  })

  it('closes every file that it opened when one of them is bad', async () => {
    let opened = 0
    const files = memoryFiles('m', {
      ...shards,
      'bad.safetensors': json('{}'),
      'index.json': json({ weight_map: { a: '1.safetensors', c: 'bad.safetensors' } }),
    })
    const counting = {
      ...files,
      async open(path: string) {
        const source = await files.open(path)
        if (!source) return undefined
        opened++
        return {
          ...source,
          async close() {
            opened--
          },
        }
      },
    }
    await fails(() => openShardedSafetensors(counting, 'index.json'), 'ERR_MODEL_FORMAT', /bad\.safetensors/)
    assert.equal(opened, 0)
  })
})
