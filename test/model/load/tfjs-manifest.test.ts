// TensorFlow.js's own form of weights: manifests and files that are made up, cut, hostile or merely wrong. None of these
// needs TensorFlow.js but where values come out.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { type ByteSource, type ModelFiles, memoryFiles } from '../../../model/load/files.ts'
import { openFiles } from '../../../model/load/files-node.ts'
import { openTfjsManifest } from '../../../model/load/tfjs-manifest.ts'
import { inPeers, missing } from '../../engine/tfjs/peers.ts'
import { skipUnless, skipUnlessPossible } from '../../skip.ts'
import { codeOf, fails, json, typedCodes } from './fixtures.ts'
import { someTensors } from './tfjs-tensors.ts'

/** Two tensors in two files, the second cut in its middle. */
const weights = [
  { name: 'a', shape: [3], dtype: 'float32' },
  { name: 'b', shape: [2, 2], dtype: 'float32', quantization: { dtype: 'uint16', scale: 0.5, min: -1 } },
]
const group = { paths: ['1.bin', '2.bin'], weights }
const shards = {
  '1.bin': new Uint8Array([...new Uint8Array(Float32Array.of(1, -2, 3.5).buffer), 4, 0, 6]),
  '2.bin': Uint8Array.of(0, 0, 1, 255, 255),
}

function files(manifest: unknown, changes: Record<string, Uint8Array> = {}): ModelFiles {
  return memoryFiles('m', { ...shards, 'model.json': json(manifest), ...changes })
}

const open = (manifest: unknown, changes?: Record<string, Uint8Array>): ReturnType<typeof openTfjsManifest> =>
  openTfjsManifest(files(manifest, changes), 'model.json')

interface Watch {
  readonly files: ModelFiles
  /** Files open now, and the sizes of all reads. */
  open: number
  readonly reads: number[]
}

function watch(inner: ModelFiles): Watch {
  const watched: Watch = {
    open: 0,
    reads: [],
    files: {
      ...inner,
      async open(path) {
        const source: ByteSource | undefined = await inner.open(path)
        if (!source) return undefined
        watched.open++
        return {
          ...source,
          read(offset, length) {
            watched.reads.push(length)
            return source.read(offset, length)
          },
          async close() {
            watched.open--
            await source.close()
          },
        }
      },
    },
  }
  return watched
}

async function values(manifest: Awaited<ReturnType<typeof open>>): Promise<Record<string, number[]>> {
  const found: Record<string, number[]> = {}
  for (const [name, tensor] of manifest.tensors) {
    found[name] = [...new Float32Array(Uint8Array.from(await tensor.read()).buffer)]
  }
  return found
}

describe('openTfjsManifest', () => {
  describe('with TensorFlow.js', () => {
    before(async function () {
      const reason = await missing('tfjs:cpu')
      skipUnless(this, !reason, `${reason}`)
    })

    it('reads a list of groups, and an object that holds one', () =>
      inPeers(async () => {
        const expected = { a: [1, -2, 3.5], b: [4, 6, 256, 65535].map((n) => n * 0.5 - 1) }
        for (const manifest of [[group], { format: 'graph-model', modelTopology: {}, weightsManifest: [group] }]) {
          const opened = await open(manifest)
          assert.deepEqual(await values(opened), expected)
          const { shape, storedAs } = opened.tensors.get('b')!
          assert.deepEqual([shape, storedAs, opened.tensors.get('a')!.storedAs], [[2, 2], 'uint16', 'float32'])
        }
      }))

    it('decodes every type wherever its bytes are cut into files', () =>
      inPeers(() =>
        fc.assert(
          fc.asyncProperty(someTensors, fc.array(fc.nat(), { maxLength: 6 }), async (tensors, cuts) => {
            const bytes = Buffer.concat(tensors.map((tensor) => tensor.bytes))
            const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
            const parts = at
              .slice(1)
              .map((end, i) => [`${i}.bin`, Uint8Array.from(bytes.subarray(at[i], end))] as const)
            const manifest = [{ paths: parts.map(([path]) => path), weights: tensors.map(({ entry }) => entry) }]
            const found = await values(await open(manifest, Object.fromEntries(parts)))
            for (const { entry, expected } of tensors) assert.deepEqual(found[entry.name], expected)
          }),
          { numRuns: 200 },
        ),
      ))

    it('keeps odd names as they are, and tensors without values', () =>
      inPeers(async () => {
        const odd = ['__proto__', '', 'constructor', 'weight'].map((name) => ({
          name,
          shape: [0, 7],
          dtype: 'float32',
        }))
        const { tensors } = await open([group, { paths: [], weights: odd }])
        assert.deepEqual([...tensors.keys()], ['a', 'b', '__proto__', '', 'constructor', 'weight'])
        for (const { name } of odd) assert.equal((await tensors.get(name)!.read()).length, 0)
      }))

    it('reads of a tensor its own bytes, and leaves no file open', () =>
      inPeers(async () => {
        const watched = watch(files([group]))
        const { tensors, close } = await openTfjsManifest(watched.files, 'model.json')
        assert.equal(watched.open, 0)
        watched.reads.length = 0
        await tensors.get('b')!.read()
        assert.deepEqual(watched.reads, [3, 5])
        assert.equal(watched.open, 0)
        await close()
        await close()
        await fails(() => tensors.get('b')!.read(), 'ERR_DISPOSED', /"m" was closed/)
      }))

    it('refuses to read a file that was cut since it was opened', () =>
      inPeers(async () => {
        const entries: Record<string, Uint8Array> = { ...shards, 'model.json': json([group]) }
        const { tensors } = await openTfjsManifest(memoryFiles('m', entries), 'model.json')
        entries['2.bin'] = Uint8Array.of(0)
        await fails(() => tensors.get('b')!.read(), 'ERR_MODEL_FORMAT', /2\.bin has 1 bytes.*truncated/)
      }))

    it('with any bit of a manifest flipped is a typed error, or tensors of the sizes that it says', () =>
      inPeers(async () => {
        const good = json([group])
        let refused = 0
        for (let bit = 0; bit < good.length * 8; bit++) {
          const flipped = Uint8Array.from(good)
          flipped[bit >> 3]! ^= 1 << (bit & 7)
          refused += await outcome(memoryFiles('m', { ...shards, 'model.json': flipped }), `bit ${bit}`)
        }
        assert.ok(refused > good.length * 4, `${refused} of ${good.length * 8} flips were refused`)
      }))

    it('with any value of a manifest replaced is a typed error, or tensors of the sizes that it says', () =>
      inPeers(() =>
        fc.assert(
          fc.asyncProperty(fc.nat(), fc.oneof(fc.jsonValue(), hostileValue), async (place, value) => {
            const manifest: unknown = JSON.parse(JSON.stringify([group]))
            const slots = slotsOf(manifest)
            const [holder, key] = slots[place % slots.length]!
            holder[key] = value
            await outcome(files(manifest), JSON.stringify(manifest))
          }),
          { numRuns: 1000 },
        ),
      ))
  })

  it('says what to install where TensorFlow.js is not', async () => {
    const before = process.cwd()
    process.chdir(tmpdir())
    try {
      await fails(
        () => open([group]),
        'ERR_BACKEND_UNAVAILABLE',
        /weights of model\.json of "m" needs TensorFlow\.js: run "npm install @tensorflow\/tfjs-core @tensorflow\/tfjs-backend-cpu"/,
      )
    } finally {
      process.chdir(before)
    }
  })

  const [a, b] = weights
  const quantized = (quantization: unknown): unknown => [{ ...group, weights: [a, { ...b, quantization }] }]
  const named = (...paths: unknown[]): unknown => [{ ...group, paths }]
  const bad: [what: string, manifest: unknown, message: RegExp][] = [
    ['broken JSON', '[{"paths":', /model\.json is not JSON/],
    ['a value that is not JSON', '[{"min": NaN}]', /model\.json is not JSON/],
    ['text for a manifest', '"x"', /model\.json is "x"; expected a JSON object/],
    ['an object without weights', { format: 'x' }, /"weightsManifest" of model\.json is missing; expected a list/],
    ['a group that is no object', [[]], /group 0 of model\.json is a list; expected a JSON object/],
    ['a group without paths', [{ weights }], /"paths" of group 0 of model\.json is missing/],
    ['a group without weights', { weightsManifest: [{ paths: [] }] }, /"weights" of group 0 of "weightsManifest"/],
    ['a path that is no text', named(1), /names the file 1; expected text/],
    ['a file named twice', named('1.bin', '1.bin'), /the file "1\.bin" twice; expected once/],
    ['a file of two groups', [group, { ...group, weights: [] }], /the file "1\.bin" twice|"a"/],
    ['two tensors of one name', [group, { paths: [], weights: [{ ...a, shape: [0] }] }], /two tensors named "a"/],
    ['files that are too long', [{ ...group, weights: [a] }], /take 12 bytes.*\["1\.bin","2\.bin"\] hold 20/],
    ['files that are too short', [{ ...group, paths: ['1.bin'] }], /take 20 bytes.*hold 15.*truncated/],
    ['a shape that claims too much', [{ ...group, weights: [{ ...a, shape: [2 ** 50] }, b] }], /take 4503\d+ bytes/],
    ['a shape beyond counting', [{ ...group, weights: [{ ...a, shape: [2 ** 52, 2 ** 52, 0] }, b] }], /Infinity bytes/],
    ['a shape that is no list', [{ ...group, weights: [{ ...a, shape: 3 }, b] }], /"a".*shape 3; expected a list/],
    ['a negative shape', [{ ...group, weights: [{ ...a, shape: [-3] }, b] }], /shape \[-3\]/],
    ['a fraction in a shape', [{ ...group, weights: [{ ...a, shape: [0.5, 6] }, b] }], /shape \[0\.5,6\]/],
    ['a tensor that is no object', [{ ...group, weights: [1] }], /weight 0 of group 0 of model\.json is 1/],
    ['a tensor without a name', [{ ...group, weights: [{ ...a, name: undefined }] }], /the name of weight 0.*missing/],
    ['a quantisation that is null', quantized(null), /"b".*the quantization null; expected dtype, scale and min/],
    ['an unknown quantisation', quantized({ dtype: 'int4', scale: 1, min: 0 }), /"b".*"int4"; expected "uint8"/],
    ['a quantisation without scale', quantized({ dtype: 'uint16', min: 0 }), /"b".*scale undefined and min 0/],
    ['a scale as text', quantized({ dtype: 'uint16', scale: '1', min: 0 }), /"b".*scale "1"/],
    [
      'an infinite scale',
      '[{"paths":["1.bin"],"weights":[{"name":"b","shape":[1],"dtype":"float32","quantization":{"dtype":"uint8","scale":1e999,"min":0}}]}]',
      /scale null and min 0; expected numbers/,
    ],
    ['values beyond f32', quantized({ dtype: 'uint16', scale: 1e34, min: 0 }), /values that f32 can hold/],
    ...['string', 'bool', 'complex64', 'int32', 'float16', 'toString', 7, undefined].map(
      (dtype): [string, unknown, RegExp] => [
        `the type ${dtype}`,
        [{ ...group, weights: [{ ...a, dtype }, b] }],
        new RegExp(
          `"a", weight 0 of group 0 of model\\.json, has the type "?${dtype}"?; weights are read from "float32"`,
        ),
      ],
    ),
  ]
  for (const [what, manifest, message] of bad) {
    it(`refuses ${what}, having read the manifest alone`, async () => {
      const watched = watch(files(manifest))
      await fails(() => openTfjsManifest(watched.files, 'model.json'), 'ERR_MODEL_FORMAT', message)
      assert.deepEqual([watched.open, watched.reads], [0, [json(manifest).length]])
    })
  }

  for (const name of [
    '../1.bin',
    '/etc/passwd',
    'https://example.org/1.bin',
    '//example.org/1.bin',
    '..\\1.bin',
    'C:1.bin',
  ]) {
    it(`refuses the file ${name}, before opening it`, async () => {
      await fails(() => open(named(name)), 'ERR_MODEL_FORMAT', /group 0 of model\.json names the file "/)
    })
  }

  it('names a file that is missing', () =>
    fails(() => open(named('1.bin', '3.bin')), 'ERR_NOT_FOUND', /"m" has no file "3\.bin", which holds weights/))

  it('refuses a manifest past the limit of JSON files, unread', async () => {
    const inner = files([group])
    const huge: ModelFiles = {
      ...inner,
      async open(path) {
        const source = await inner.open(path)
        return source && { ...source, size: 2 ** 40, read: () => assert.fail('it was read') }
      },
    }
    await fails(() => openTfjsManifest(huge, 'model.json'), 'ERR_MODEL_FORMAT', /model\.json has 1099511627776 bytes/)
  })

  it('refuses a link that leads out of the folder', async function () {
    const folder = await mkdtemp(join(tmpdir(), 'drafthorse-manifest-'))
    try {
      const model = join(folder, 'm')
      await mkdir(model)
      await writeFile(join(model, 'model.json'), json([group]))
      await writeFile(join(model, '1.bin'), shards['1.bin'])
      await writeFile(join(folder, '2.bin'), shards['2.bin'])
      try {
        await symlink(join(folder, '2.bin'), join(model, '2.bin'))
      } catch (error) {
        skipUnlessPossible(this, codeOf(error) !== 'EPERM', 'this account may not make symbolic links')
        throw error
      }
      const opening = openTfjsManifest(await openFiles(model), 'model.json')
      await fails(() => opening, 'ERR_MODEL_FORMAT', /2\.bin is a link to .*outside of the model's folder/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

/** Opens and reads everything: 1 for a typed error, 0 for tensors with as many values as their shapes say. */
async function outcome(source: ModelFiles, what: string): Promise<0 | 1> {
  try {
    const { tensors } = await openTfjsManifest(source, 'model.json')
    for (const { shape, read } of tensors.values()) {
      assert.equal(
        (await read()).length,
        shape.reduce((size, n) => size * n, 4),
      )
    }
    return 0
  } catch (error) {
    assert.ok(typedCodes.has(codeOf(error)), `${what}: ${error instanceof Error ? error.stack : error}`)
    return 1
  }
}

const hostileValue = fc.constantFrom<unknown>(
  2 ** 53,
  -1,
  1e308,
  '../x',
  'float16',
  'uint8',
  'string',
  [2 ** 32, 2 ** 32],
  [],
  [[3]],
  [1, 3],
)

/** Every place in a value that holds another: the object or list, and the key. */
function slotsOf(value: unknown): [Record<string, unknown>, string][] {
  if (typeof value !== 'object' || value === null) return []
  const holder = value as Record<string, unknown> // lists are indexed by text as well
  return Object.entries(holder).flatMap(([key, inner]) => [[holder, key], ...slotsOf(inner)])
}
