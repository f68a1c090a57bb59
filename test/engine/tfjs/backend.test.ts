// What a pass costs in operations, memory that is looked at before a model is read, and threads that are really there.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { generate, loadModel } from 'drafthorse'
import { passCosts } from '../../../decode/pass-cost.ts'
import { createTurn } from '../../../engine/turn.ts'
import { peerNode } from '../../peers/node.ts'
import { skipUnless } from '../../skip.ts'
import { expectTfjs, openTfjs } from './peers.ts'
import type { Told } from './tell.ts'

const execute = promisify(execFile)

describe('a pass of the embedded model', () => {
  for (const [name, most] of Object.entries({ 'tfjs:tensorflow': 505, 'tfjs:wasm': 530, 'tfjs:cpu': 530 })) {
    it(`takes ${name} as many operations for 5 rows as for 1, and at most ${most}`, async function () {
      await expectTfjs(this, name)
      const backend = await openTfjs(name)
      try {
        await using model = await loadModel('stories', { backend })
        const [one, five] = await passCosts(model, {
          passes: [{ rows: 1 }, { rows: 5 }],
          context: 64,
          repeats: 1,
          turn: createTurn(undefined),
        })
        assert.equal(five!.operations!.count, one!.operations!.count)
        assert.ok(
          one!.operations!.count > 100 && one!.operations!.count <= most,
          `${one!.operations!.count} operations`,
        )
      } finally {
        await backend.dispose()
      }
    })
  }
})

describe('memory of a model on TensorFlow.js', () => {
  it('is asked for as a whole, before anything is uploaded', async function () {
    await expectTfjs(this, 'tfjs:cpu')
    const backend = await openTfjs('tfjs:cpu')
    const free = process.availableMemory()
    const each = { shape: [1024, 1024], dtype: 'f32' } as const
    const many = Array.from({ length: Math.ceil((2 * free) / 2 ** 22) }, () => each)
    await assert.rejects(backend.prepare!(many), {
      code: 'ERR_OUT_OF_MEMORY',
      message: new RegExp(`has room for \\d+ bytes, and a model of ${many.length * 2 ** 22} bytes of weights`),
    })
    await backend.prepare!([each])
    await assert.rejects(backend.prepare!([{ shape: [-4], dtype: 'f32' }]), { code: 'ERR_SHAPE' })
    await assert.rejects(backend.prepare!([{ shape: [32], dtype: 'q8_0' }]), { code: 'ERR_DTYPE' })
    assert.equal(backend.memory().bytes, 0)
    await backend.dispose()
    await assert.rejects(backend.prepare!([each]), { code: 'ERR_DISPOSED' })
  })
})

describe('free memory', () => {
  const each = { shape: [1024, 256], dtype: 'f32' } as const
  const { availableMemory } = process
  let free = 0
  before(() => {
    process.availableMemory = () => free
  })
  after(() => {
    process.availableMemory = availableMemory
  })

  it('is unknown where the system says 0', async function () {
    await expectTfjs(this, 'tfjs:cpu')
    free = 0
    const backend = await openTfjs('tfjs:cpu')
    await backend.prepare!([each])
    backend.upload(new Float32Array(1024 * 256), each)
    await backend.dispose()
  })

  it('is looked at for a model as a whole, not again for each of its weights', async function () {
    await expectTfjs(this, 'tfjs:cpu')
    const backend = await openTfjs('tfjs:cpu')
    free = 2 ** 19
    assert.throws(() => backend.upload(new Float32Array(1024 * 256), each), {
      code: 'ERR_OUT_OF_MEMORY',
      message: /has room for 524288 bytes, and a tensor of \[1024, 256\] takes 1048576/,
    })
    free = 2 ** 21
    await backend.prepare!([each])
    free = 2 ** 19
    backend.upload(new Float32Array(1024 * 256), each)
    await backend.dispose()
  })
})

describe('threads of tfjs:tensorflow', () => {
  it('are those that its library was loaded with, whatever is asked for later', async function () {
    await expectTfjs(this, 'tfjs:tensorflow')
    const told = await tell(process.execPath, { threads: [1, 3], tokens: 0 })
    assert.deepEqual(told.threads, [1, 1])
    assert.ok(!/thread/.test(told.devices[0]!), told.devices[0])
    assert.match(told.devices[1]!, /, 1 thread \(not 3: its library was loaded before\)$/)
  })
})

describe('threads of the others', () => {
  for (const [name, why] of [
    ['tfjs:wasm', 'TensorFlow.js gives it more only in a page that is cross-origin isolated'],
    ['tfjs:cpu', 'it has no others'],
  ] as const) {
    it(`are one of ${name} in Node, which says why`, async function () {
      await expectTfjs(this, name)
      const backend = await openTfjs(name, { threads: 2 })
      assert.equal(backend.capabilities.threads, 1)
      assert.ok(backend.capabilities.device.endsWith(`, 1 thread (not 2: ${why})`), backend.capabilities.device)
      await backend.dispose()
    })
  }
})

describe('tfjs:tensorflow on newer Nodes', () => {
  for (const major of [22, 24] as const) {
    it(`tells the same on Node ${major}`, async function () {
      await expectTfjs(this, 'tfjs:tensorflow')
      const node = peerNode(major)
      skipUnless(this, node, `Node ${major} is not installed in test/peers`)
      const { version, tokens } = await tell(node, { threads: [1], tokens: 24 })
      assert.match(version, new RegExp(`^v${major}\\.`))
      const backend = await openTfjs('tfjs:tensorflow')
      try {
        await using model = await loadModel('stories', { backend })
        const { result } = generate(model, 'Once upon a time', { maxNewTokens: 24, ignoreEos: true })
        assert.deepEqual(tokens, (await result).tokens)
        assert.equal(tokens.length, 24)
      } finally {
        await backend.dispose()
      }
    })
  }
})

/** Runs tell.ts on this Node. */
async function tell(node: string, wanted: { threads: readonly number[]; tokens: number }): Promise<Told> {
  const program = fileURLToPath(new URL('tell.ts', import.meta.url))
  const { stdout } = await execute(node, ['--import', 'tsx', program, JSON.stringify(wanted)])
  return JSON.parse(stdout)
}
