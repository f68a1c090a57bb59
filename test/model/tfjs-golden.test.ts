// A checkpoint in TensorFlow.js's own form, by its official writer, against what the official reader gives back, and
// against the same values from safetensors.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { loadModel, type Model } from 'drafthorse'
import { type Backend, openBackend } from 'drafthorse/engine'
import { openCheckpoint } from '../../model/load/checkpoint.ts'
import { argmax, firm, folderOf, oracle, readGolden } from '../checkpoints.ts'
import { run } from '../cli/run.ts'
import { expectTfjs, inPeers, missing, openTfjs, peers } from '../engine/tfjs/peers.ts'
import { golden } from '../golden.ts'
import { skipUnless } from '../skip.ts'
import { readSafetensors } from './load/fixtures.ts'

const types = ['float32', 'float16', 'uint16', 'uint8'] as const
const original = folderOf('llama2-f32')

describe("a checkpoint in TensorFlow.js's own form", () => {
  let folder = ''
  before(async function () {
    const reason = await missing('tfjs:cpu')
    skipUnless(this, !reason, `${reason}`)
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-tfjs-'))
    for (const type of types) {
      await mkdir(join(folder, type, 'golden'), { recursive: true })
      for (const to of [type, `${type}/golden`])
        await cp(join(original, 'config.json'), join(folder, to, 'config.json'))
      for (const file of await readdir(oracle(`tfjs/${type}`))) {
        const to = file === 'golden.safetensors' ? 'golden/model.safetensors' : file
        await cp(oracle(`tfjs/${type}/${file}`), join(folder, type, to))
      }
    }
  })
  after(async () => {
    if (folder) await rm(folder, { recursive: true, force: true })
  })

  for (const type of types) {
    it(`gives from ${type} what the official reader gives, bit for bit`, async () => {
      const checkpoint = await inPeers(() => openCheckpoint(join(folder, type)))
      const expected = readSafetensors(oracle(`tfjs/${type}/golden.safetensors`))
      assert.deepEqual([checkpoint.format, checkpoint.name], ['tfjs', type])
      assert.deepEqual([...checkpoint.tensors.keys()].sort(), [...expected.keys()].sort())
      for (const [name, { shape, bytes }] of expected) {
        const tensor = checkpoint.tensors.get(name)!
        assert.deepEqual([tensor.shape, tensor.dtype, tensor.storedAs], [shape, 'f32', type])
        assert.deepEqual(Uint8Array.from(await tensor.read()), bytes, name)
      }
      await checkpoint.close()
      golden()
    })

    it(`holds in ${type} every value within half a step of the checkpoint that it was made of`, async () => {
      const checkpoint = await inPeers(() => openCheckpoint(join(folder, type)))
      for (const [name, { bytes }] of readSafetensors(join(original, 'model.safetensors'))) {
        const wanted = floats(bytes)
        const step = stepOf(type, name)
        for (const [i, value] of floats(await checkpoint.tensors.get(name)!.read()).entries()) {
          const error = Math.abs(value - wanted[i]!)
          assert.ok(error <= step(wanted[i]!) / 2, `${name} ${i}: ${wanted[i]} became ${value}`)
        }
      }
      await checkpoint.close()
    })
  }

  for (const name of ['reference', 'tfjs:cpu', 'tfjs:wasm', 'tfjs:tensorflow']) {
    describe(`on ${name}`, () => {
      let backend: Backend
      before(async function () {
        if (name !== 'reference') await expectTfjs(this, name)
        backend = await (name === 'reference' ? openBackend(name) : openTfjs(name))
      })
      after(() => backend?.dispose())

      /** The logits of the golden prompt and ids, and of these the choices after the prompt. */
      async function logitsOf(
        path: string,
      ): Promise<{ logits: Float32Array; chosen: number[]; summary: Model['summary'] }> {
        const { inputIds, cases } = await readGolden('llama2-f32')
        const { greedyIds } = cases.find((example) => example.name === 'none')!
        await using model = await inPeers(() => loadModel(path, { backend }))
        const logits = await model.logits([...inputIds, ...greedyIds])
        const { vocabSize } = model.config
        const chosen = greedyIds.map((_, i) => {
          const row = inputIds.length - 1 + i
          return argmax(logits.subarray(row * vocabSize, (row + 1) * vocabSize))
        })
        return { logits, chosen, summary: model.summary }
      }

      it('gives the logits and greedy ids of transformers from float32', async () => {
        const { inputIds, cases } = await readGolden('llama2-f32')
        await using model = await inPeers(() => loadModel(join(folder, 'float32'), { backend }))
        for (const { name, skip, logits: expected } of cases) {
          const error = largestDifference(await model.logits(inputIds, { skip }), expected)
          assert.ok(error <= 1e-3, `${name} is off by ${error}`)
          golden()
        }
        const none = cases.find((example) => example.name === 'none')!
        const { chosen } = await logitsOf(join(folder, 'float32'))
        assert.ok(firm(none) > 0)
        assert.deepEqual(chosen.slice(0, firm(none)), none.greedyIds.slice(0, firm(none)))
      })

      it('gives from float32 the logits of the checkpoint that it was made of, bit for bit', async () => {
        const { logits } = await logitsOf(join(folder, 'float32'))
        assert.deepEqual(logits, (await logitsOf(original)).logits)
      })

      for (const type of types) {
        it(`gives from ${type} the logits of its values in safetensors, bit for bit`, async () => {
          const { logits, summary } = await logitsOf(join(folder, type))
          assert.deepEqual(logits, (await logitsOf(join(folder, type, 'golden'))).logits)
          assert.deepEqual([summary.format, summary.stored], ['tfjs', { [type]: 39 }])
          if (process.env['DRAFTHORSE_SHOW_ERRORS']) {
            const whole = await logitsOf(original)
            console.log(`      ${type}: ${largestDifference(logits, whole.logits)}`)
          }
        })
      }
    })
  }

  it('leaves TensorFlow.js as it was: the same backend active, and no tensor more', async function () {
    const reason = await missing('tfjs:wasm')
    skipUnless(this, !reason, `${reason}`)
    const tf = createRequire(peers)('@tensorflow/tfjs-core')
    const backend = await openTfjs('tfjs:wasm')
    try {
      const { numTensors } = tf.memory()
      const checkpoint = await inPeers(() => openCheckpoint(join(folder, 'uint8')))
      assert.equal((await checkpoint.tensors.get('model.norm.weight')!.read()).length, 64 * 4)
      assert.equal(tf.getBackend(), 'wasm')
      assert.equal(tf.memory().numTensors, numTensors)
      await checkpoint.close()
    } finally {
      await backend.dispose()
    }
  })

  it('opens with the packages inside tfjs-node, where nothing else is installed', async function () {
    await expectTfjs(this, 'tfjs:tensorflow')
    const project = join(folder, 'project')
    await mkdir(join(project, 'node_modules/@tensorflow'), { recursive: true })
    const installed = dirname(createRequire(peers).resolve('@tensorflow/tfjs-node/package.json'))
    await symlink(installed, join(project, 'node_modules/@tensorflow/tfjs-node'), 'junction')
    const { code, stderr, stdout } = await run(['info', join(folder, 'uint8')], { cwd: project })
    assert.equal(code, 0, stderr)
    assert.match(stdout, /weights +stored as uint8/)
  })

  it('opens by the path of its manifest, and gives way to safetensors beside it', async () => {
    const both = join(folder, 'both')
    await cp(join(folder, 'uint8'), both, { recursive: true })
    const named = await inPeers(() => openCheckpoint(join(both, 'model.json')))
    assert.deepEqual([named.name, named.format], ['both', 'tfjs'])
    await named.close()
    await cp(join(both, 'golden', 'model.safetensors'), join(both, 'model.safetensors'))
    const { format, close } = await openCheckpoint(both)
    assert.equal(format, 'safetensors')
    await close()
  })

  it('is described by drafthorse info with the types that it holds', async () => {
    for (const type of ['float16', 'uint8']) {
      const { code, stdout, stderr } = await run(['info', join(folder, type)], { cwd: peers })
      assert.equal(code, 0, stderr)
      assert.match(stdout, new RegExp(`format +tfjs\\n[^]*weights +stored as ${type}; run as f32`))
    }
  })
})

function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer)
}

/** The distance of neighbouring values, near a value, of a type; of whole numbers with f32's rounding of their range. */
function stepOf(type: (typeof types)[number], name: string): (value: number) => number {
  if (type === 'float32') return () => 0
  if (type === 'float16') return (value) => Math.max(Math.abs(value) * 2 ** -10, 2 ** -24)
  const [{ weights }] = JSON.parse(readFileSync(oracle(`tfjs/${type}/model.json`), 'utf8')).weightsManifest
  const { scale } = weights.find((entry: { name: string }) => entry.name === name).quantization
  const range = scale * (type === 'uint8' ? 255 : 65535)
  return () => scale + range * 2 ** -21
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  assert.equal(a.length, b.length)
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0)
}
