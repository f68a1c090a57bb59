// The probe: what it finds is true, on TensorFlow with the kernels of other processors too, and it sees what is not.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { generate, loadModel } from 'drafthorse'
import type { BackendModule } from 'drafthorse/engine'
import type { TfjsTensor } from 'drafthorse/engine/tfjs'
import { createBackend } from '../../../engine/tfjs/backend.ts'
import { createDevice, type Device } from '../../../engine/tfjs/device.ts'
import { type Eager, noQuirks, publicEager } from '../../../engine/tfjs/eager.ts'
import { findLimits, fitLimits, type Use } from '../../../engine/tfjs/probe.ts'
import { multiply } from '../../../engine/tfjs/rows.ts'
import type { Tf, TfTensor } from '../../../engine/tfjs/tf.ts'
import { folderOf } from '../../checkpoints.ts'
import { skipUnless, skipUnlessPossible } from '../../skip.ts'
import { missing, peers } from './peers.ts'
import type { Proof } from './prove.ts'

const execute = promisify(execFile)

describe('the probe on TensorFlow, in a process of its own', function () {
  this.timeout(300_000)
  before(async function () {
    const reason = await missing('tfjs:tensorflow')
    if (process.platform !== 'linux') skipUnlessPossible(this, !reason, `${reason}`)
    skipUnless(this, !reason, `${reason}`)
  })

  for (const [variable, value, kernels] of [
    ['ONEDNN_MAX_CPU_ISA', 'SSE41', 'the kernels for SSE 4.1'],
    ['ONEDNN_MAX_CPU_ISA', 'AVX2', 'the kernels for AVX2'],
    ['TF_ENABLE_ONEDNN_OPTS', '0', 'no oneDNN'],
  ] as const) {
    it(`finds with ${kernels} how rows are independent, and they are`, async () => {
      const program = fileURLToPath(new URL('prove.ts', import.meta.url))
      const env = { ...process.env, [variable]: value }
      const { stdout } = await execute(process.execPath, ['--import', 'tsx', program, '40'], { env })
      const { rowInvariant, cases, failures }: Proof = JSON.parse(stdout)
      assert.deepEqual(failures, [])
      assert.ok(cases > 50)
      assert.equal(rowInvariant, true)
    })
  }
})

describe('the probe on a device of whose kernels something is known', () => {
  let tf: Tf
  before(async function () {
    const reason = await missing('tfjs:cpu')
    skipUnless(this, !reason, `${reason}`)
    const require = createRequire(peers)
    tf = require('@tensorflow/tfjs-core') as Tf // its types are not installed
    require('@tensorflow/tfjs-backend-cpu')
    tf.enableProdMode()
  })

  const use: Use = { kernels: ['large'], activate: () => void tf.setBackend('cpu') }

  /** TensorFlow.js on the CPU with some operations replaced. */
  function deviceWith(change: (plain: Eager) => Partial<Eager>): Device {
    use.activate()
    const plain = publicEager(tf, noQuirks)
    return createDevice(tf, () => ({ ...plain, ...change(plain) }))
  }

  /** The same but for the last bits, which depend on `factor`. */
  function off(x: TfTensor, factor: number): TfTensor {
    use.activate()
    return tf.mul(x, tf.tensor(Float32Array.of(1 + factor * 2 ** -20), [], 'float32'))
  }

  it('takes all rows as they come where they are independent', async () => {
    const device = deviceWith(() => ({}))
    assert.equal(await findLimits(device, use), true)
    assert.deepEqual(device.limits, { kernel: 'large', min: 1, max: 32 })
  })

  it('gives all products one number of rows where their bits depend on it', async () => {
    const device = deviceWith(({ matMulTransposed }) => ({
      matMulTransposed: (a, b) => off(matMulTransposed(a, b), a.shape[0]!),
    }))
    assert.equal(await findLimits(device, use), true)
    assert.deepEqual(device.limits, { kernel: 'large', min: 8, max: 8 })
  })

  it('takes another kernel where the first has no range of rows', async () => {
    const device = deviceWith(({ smallMatMulTransposed }) => ({
      smallMatMulTransposed: (a, b) => off(smallMatMulTransposed(a, b), a.shape[0]!),
    }))
    assert.equal(await findLimits(device, { ...use, kernels: ['small', 'large'] }), true)
    assert.deepEqual(device.limits, { kernel: 'large', min: 1, max: 32 })
  })

  it('multiplies row by row where a row’s bits depend on its place', async () => {
    const device = deviceWith(({ matMulTransposed }) => ({
      matMulTransposed(a, b) {
        const places = tf.tensor(
          Float32Array.from({ length: a.shape[0]! }, (_, row) => 1 + row * 2 ** -20),
          [a.shape[0]!, 1],
          'float32',
        )
        return tf.mul(matMulTransposed(a, b), places)
      },
    }))
    assert.equal(await findLimits(device, use), true)
    assert.deepEqual(device.limits, { kernel: 'large', min: 1, max: 1 })
  })

  let calls = 0
  const broken: Record<string, (plain: Eager) => Partial<Eager>> = {
    'products differ from call to call': ({ matMulTransposed }) => ({
      matMulTransposed: (a, b) => off(matMulTransposed(a, b), calls++ % 7),
    }),
    'keys are multiplied': ({ rowMatMulTransposed }) => ({
      rowMatMulTransposed: (a, b) => off(rowMatMulTransposed(a, b), a.shape[0]!),
    }),
    'values are multiplied': ({ rowMatMul }) => ({ rowMatMul: (a, b) => off(rowMatMul(a, b), a.shape[0]!) }),
    'means are taken': ({ mean }) => ({ mean: (x) => off(mean(x), x.shape[0]!) }),
    'sigmoids are taken': ({ sigmoid }) => ({ sigmoid: (x) => off(sigmoid(x), x.shape[0]!) }),
    'exponentials are taken': ({ exp }) => ({ exp: (x) => off(exp(x), x.shape[0]!) }),
    'sums are taken': ({ sum }) => ({ sum: (x) => off(sum(x), x.shape[0]!) }),
  }
  for (const [when, change] of Object.entries(broken)) {
    it(`says no where the rows of a pass matter when ${when}`, async () => {
      const device = deviceWith(change)
      assert.equal(await findLimits(device, use), false)
    })
  }

  it('is asked anew for every model, and a promise is broken as long as the weight that breaks it lives', async () => {
    const device = deviceWith(({ matMulTransposed }) => ({
      matMulTransposed: (a, b) => off(matMulTransposed(a, b), b.shape[0] === 96 ? calls++ % 7 : 0),
    }))
    const backend = createBackend({
      name: 'wobbly',
      device,
      activate: use.activate,
      capabilities: {
        rowInvariant: await findLimits(device, use),
        dtypes: ['f32'],
        threads: 1,
        passRows: 32,
        device: 'a test',
        kind: 'software',
      },
      room: { tensor: () => undefined, all: () => undefined },
      async fit(shapes) {
        for (const shape of shapes) await fitLimits(device, shape, use)
      },
      close: () => {},
    })
    assert.equal(backend.capabilities.rowInvariant, true)
    const first = [{ shape: [96, 32], dtype: 'f32' }] as const
    const second = [{ shape: [48, 32], dtype: 'f32' }] as const
    await backend.prepare!(first)
    assert.equal(backend.capabilities.rowInvariant, false)
    const weight = backend.upload(new Float32Array(96 * 32), first[0])
    await backend.prepare!(second)
    assert.ok(device.shapeLimits.has('48,32'))
    assert.equal(backend.capabilities.rowInvariant, false)
    backend.free(weight)
    assert.equal(backend.capabilities.rowInvariant, true)
    await backend.dispose()
  })

  it('leaves a backend that decodes where it says no', async () => {
    const activate = use.activate
    const module: BackendModule<TfjsTensor> = {
      name: 'wobbly',
      async open() {
        const device = deviceWith(broken['products differ from call to call']!)
        const rowInvariant = await findLimits(device, use)
        return createBackend({
          name: 'wobbly',
          device,
          activate,
          capabilities: { rowInvariant, dtypes: ['f32'], threads: 1, passRows: 32, device: 'a test', kind: 'software' },
          room: { tensor: () => undefined, all: () => undefined },
          fit: async () => {},
          close: () => {},
        })
      },
    }
    await using model = await loadModel(folderOf('llama2-f32'), { backend: module })
    assert.equal(model.backend.capabilities.rowInvariant, false)
    const options = { maxNewTokens: 12, ignoreEos: true }
    for (const way of [
      { draft: 'none' },
      { draft: 'skip', skip: { attention: [1], mlp: [1] }, draftLength: 3 },
    ] as const) {
      const { tokens } = await generate(model, [5, 99, 3], { ...options, ...way }).result
      assert.equal(tokens.length, 12)
    }
  })

  it('gives a weight limits of its own where the device’s do not hold for its shape', async () => {
    const device = deviceWith(({ matMulTransposed }) => ({
      matMulTransposed: (a, b) => off(matMulTransposed(a, b), b.shape[0] === 96 ? a.shape[0]! : 0),
    }))
    assert.equal(await findLimits(device, use), true)
    assert.equal(await fitLimits(device, [96, 32], use), true)
    assert.equal(await fitLimits(device, [48, 32], use), true)
    assert.deepEqual(Object.fromEntries(device.shapeLimits), {
      '96,32': { kernel: 'large', min: 8, max: 8 },
      '48,32': { kernel: 'large', min: 1, max: 32 },
    })
    const weight = tf.tensor(new Float32Array(96 * 32).fill(1 / 3), [96, 32], 'float32')
    const limits = device.shapeLimits.get('96,32')!
    const rowsOf = async (count: number) => {
      const x = tf.tensor(new Float32Array(count * 32).fill(1 / 7), [count, 32], 'float32')
      const product = multiply(device, { x, weight, limits })
      assert.deepEqual(product.shape, [count, 96])
      return Array.from(await product.data())
    }
    const [one, nine] = [await rowsOf(1), await rowsOf(9)]
    assert.deepEqual(nine, Array(9).fill(one).flat())
  })
})
