// TensorFlow.js's own form: byte for byte what its converter writes, read back by TensorFlow.js's own io.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { convert } from '../../../engine/convert.ts'
import { openCheckpoint } from '../../../model/load/checkpoint.ts'
import { memoryFiles } from '../../../model/load/files.ts'
import { convertModel } from '../../../model/save/convert.ts'
import { memorySink } from '../../../model/save/sink.ts'
import { writeTfjs } from '../../../model/save/tfjs-manifest.ts'
import { folderOf, oracle } from '../../checkpoints.ts'
import { inPeers, missing, peers } from '../../engine/tfjs/peers.ts'
import { golden } from '../../golden.ts'
import { skipUnless } from '../../skip.ts'
import { fails, readSafetensors } from '../load/fixtures.ts'

const types = { float32: 'f32', float16: 'f16', uint16: 'uint16', uint8: 'uint8' } as const
const bytesOf = { float32: 4, float16: 2, uint16: 2, uint8: 1 } as const

interface Entry {
  readonly name: string
  readonly shape: readonly number[]
  readonly quantization?: { readonly dtype: keyof typeof bytesOf }
}

/** The entries of a manifest of one group, each with its bytes. */
function entriesOf(
  manifest: Uint8Array,
  read: (path: string) => Uint8Array,
): Map<string, { entry: Entry; bytes: Buffer }> {
  const [{ paths, weights }] = JSON.parse(new TextDecoder().decode(manifest)).weightsManifest
  const all = Buffer.concat(paths.map(read))
  const found = new Map<string, { entry: Entry; bytes: Buffer }>()
  let at = 0
  for (const entry of weights as Entry[]) {
    const length = entry.shape.reduce((size, axis) => size * axis, bytesOf[entry.quantization?.dtype ?? 'float32'])
    found.set(entry.name, { entry, bytes: all.subarray(at, at + length) })
    at += length
  }
  assert.equal(at, all.length)
  return found
}

const source = folderOf('llama2-f32')

async function written(dtype: (typeof types)[keyof typeof types], shardBytes?: number) {
  const sink = memorySink('web')
  await convertModel(source, sink, { format: 'tfjs', dtype, shardBytes })
  return sink.files
}

describe("a model in TensorFlow.js's own form", () => {
  for (const [type, dtype] of Object.entries(types)) {
    it(`is byte for byte what tensorflowjs_converter writes in ${type}`, async () => {
      const files = await written(dtype)
      const theirs = entriesOf(readFileSync(oracle(`tfjs/${type}/model.json`)), (path) =>
        readFileSync(oracle(`tfjs/${type}/${path}`)),
      )
      const ours = entriesOf(files['model.json']!, (path) => files[path]!)
      assert.deepEqual([...ours.keys()].sort(), [...theirs.keys()].sort())
      for (const [name, { entry, bytes }] of theirs) {
        assert.deepEqual(ours.get(name)!.entry, entry)
        assert.ok(bytes.equals(ours.get(name)!.bytes), name)
      }
      golden()
    })
  }

  describe('in the hands of TensorFlow.js', () => {
    before(async function () {
      const reason = await missing('tfjs:cpu')
      skipUnless(this, !reason, `${reason}`)
    })

    for (const [type, dtype] of Object.entries(types)) {
      it(`gives from ${type} what its converter reads, through tfjs-core's io and through ours`, async () => {
        const tf = createRequire(peers)('@tensorflow/tfjs-core')
        createRequire(peers)('@tensorflow/tfjs-backend-cpu')
        await tf.setBackend('cpu')
        const files = await written(dtype, 30_000) // cut within tensors
        const load = tf.io.weightsLoaderFactory(async (urls: string[]) =>
          urls.map((url) => files[url.replace(/^\//, '')]!.slice().buffer),
        )
        const { weightsManifest } = JSON.parse(new TextDecoder().decode(files['model.json']))
        assert.ok(weightsManifest[0].paths.length > 5)
        const tensors: Record<string, { shape: number[]; dataSync(): Float32Array; dispose(): void }> =
          await load(weightsManifest)
        const expected = readSafetensors(oracle(`tfjs/${type}/golden.safetensors`))
        assert.deepEqual(Object.keys(tensors).sort(), [...expected.keys()].sort())
        const checkpoint = await inPeers(() => openCheckpoint(memoryFiles('web', files)))
        for (const [name, { shape, bytes }] of expected) {
          const tensor = tensors[name]!
          assert.deepEqual(tensor.shape, shape)
          assert.deepEqual(tensor.dataSync(), new Float32Array(bytes.buffer), name)
          const own = checkpoint.tensors.get(name)!
          assert.deepEqual(Uint8Array.from(await own.read()), bytes, name)
          tensor.dispose()
        }
        await checkpoint.close()
        golden()
      })
    }

    it('comes back to safetensors bit for bit, with its config', async () => {
      const sink = memorySink('back')
      await inPeers(async () => convertModel(memoryFiles('web', await written('f32')), sink))
      const back = await openCheckpoint(memoryFiles('back', sink.files))
      const first = await openCheckpoint(source)
      assert.deepEqual(back.config, first.config)
      for (const [name, tensor] of first.tensors) {
        assert.deepEqual(Uint8Array.from(await back.tensors.get(name)!.read()), Uint8Array.from(await tensor.read()))
      }
      await first.close()
      await back.close()
    })
  })

  it('keeps f16 as it is, and widens other types', async () => {
    const sink = memorySink('web')
    const halves = folderOf('llama3-rope-sharded-f16')
    await convertModel(halves, sink, { format: 'tfjs' })
    const first = await openCheckpoint(halves)
    for (const [name, { entry, bytes }] of entriesOf(sink.files['model.json']!, (path) => sink.files[path]!)) {
      assert.equal(entry.quantization?.dtype, 'float16')
      assert.deepEqual(Uint8Array.from(bytes), Uint8Array.from(await first.tensors.get(name)!.read()), name)
    }
    await first.close()
    const wide = memorySink('web')
    await convertModel(folderOf('gqa-tied-bf16'), wide, { format: 'tfjs' })
    const second = await openCheckpoint(folderOf('gqa-tied-bf16'))
    for (const [name, { entry, bytes }] of entriesOf(wide.files['model.json']!, (path) => wide.files[path]!)) {
      assert.equal(entry.quantization, undefined)
      const values = convert(await second.tensors.get(name)!.read(), 'bf16', 'f32')
      assert.deepEqual(Uint8Array.from(bytes), Uint8Array.from(values), name)
    }
    await second.close()
  })

  it('keeps a zero between the ends, tensors of one value, and empty ones, and refuses what is not finite', async () => {
    const write = async (values: readonly number[]) => {
      const sink = memorySink('web')
      const bytes = new Uint8Array(Float32Array.from(values).buffer)
      async function* pieces(): AsyncGenerator<Uint8Array> {
        yield bytes
      }
      const tensor = { name: 'x', shape: [values.length], dtype: 'f32', byteLength: bytes.length, pieces } as const
      await writeTfjs(sink, [tensor], { quantized: 'uint8', generatedBy: 'a test', onTensor() {} })
      await sink.finish()
      const [{ weights }] = JSON.parse(new TextDecoder().decode(sink.files['model.json'])).weightsManifest
      const { scale, min } = weights[0].quantization
      return Array.from(sink.files['group1-shard1of1.bin']!, (q) => q * scale + min)
    }
    assert.equal((await write([-1, 0, 3]))[1], 0)
    assert.deepEqual(await write([5, 5]), [5, 5])
    assert.deepEqual(await write([]), [])
    for (const bad of [Number.NaN, Infinity]) await fails(() => write([1, bad]), 'ERR_NUMERIC', /x: uint8 holds finite/)
  })
})
