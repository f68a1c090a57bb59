// Opening backends: by name, as modules of one's own, with ops replaced.
import assert from 'node:assert/strict'
import { type BackendModule, listBackends, openBackend, withOps } from 'drafthorse/engine'
import { type ReferenceTensor, reference } from 'drafthorse/engine/reference'

describe('openBackend', () => {
  it('opens every backend that is listed as available', async () => {
    const listed = await listBackends()
    assert.deepEqual(
      listed.map(({ name }) => name),
      [
        ...['reference', 'wasm', 'webgpu', 'tfjs:tensorflow', 'tfjs:wasm', 'tfjs:webgpu', 'tfjs:webgl', 'tfjs:cpu'],
        ...['gpujs:cpu', 'gpujs:webasm', 'gpujs:webgpu', 'gpujs:gl'],
      ],
    )
    for (const { name, available, reason } of listed) {
      assert.equal(available, reason === undefined)
      if (!available) continue
      const backend = await openBackend(name)
      assert.equal(backend.name, name)
      await backend.dispose()
    }
  })

  it('refuses a name that it does not know, and says which there are', async () => {
    await assert.rejects(openBackend('abacus'), { code: 'ERR_ARGUMENT', message: /"abacus".*reference/ })
    await assert.rejects(openBackend('__proto__'), { code: 'ERR_ARGUMENT' })
  })

  it('refuses threads that are no whole number from 1', async () => {
    for (const threads of [0, -1, 1.5, Number.NaN]) {
      await assert.rejects(openBackend('reference', { threads }), {
        code: 'ERR_ARGUMENT',
        message: `threads is ${threads}, expected a whole number from 1`,
      })
    }
    const backend = await openBackend('reference', { threads: 2 })
    await backend.dispose()
  })

  it('opens a module of one’s own, with the options, and checks its calls', async () => {
    const seen: unknown[] = []
    const mine: BackendModule<ReferenceTensor> = {
      ...reference,
      name: 'mine',
      async open(options) {
        seen.push(options)
        return reference.open(options)
      },
    }
    const backend = await openBackend(mine, { threads: 3 })
    assert.deepEqual(seen, [{ threads: 3 }])
    const data = Float32Array.of(1)
    assert.throws(() => backend.upload(data, { shape: [2], dtype: 'f32' }), { code: 'ERR_SHAPE' })
    await backend.dispose()
  })

  it('refuses what is no module, and a backend that lacks a member, by its name', async () => {
    const wrong = (value: unknown): never => value as never // what JavaScript may pass
    for (const module of [{}, null, 7, { name: 'mine' }]) {
      await assert.rejects(openBackend(wrong(module)), { code: 'ERR_ARGUMENT', message: /a name and a function open/ })
    }
    const opening = (backend: unknown) => openBackend({ name: 'mine', open: async () => wrong(backend) })
    const whole = await reference.open({})
    const { swiglu: _, ...fewer } = whole.ops
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [undefined, /"mine".*no object/],
      [{}, /no name/],
      [{ ...whole, capabilities: undefined }, /no capabilities/],
      [{ ...whole, read: undefined }, /no function read/],
      [{ ...whole, ops: fewer }, /no op swiglu/],
    ]
    for (const [backend, message] of cases) {
      await assert.rejects(opening(backend), { code: 'ERR_ARGUMENT', message })
    }
    await assert.rejects(openBackend('reference', wrong(null)), { code: 'ERR_ARGUMENT', message: /options/ })
  })

  it('tells by a typed error what a module throws when it is opened', async () => {
    const cause = new Error('libcuda.so.1 not found')
    const broken: BackendModule = { name: 'broken', open: () => Promise.reject(cause) }
    const message = /broken backend cannot be opened: libcuda\.so\.1 not found/
    await assert.rejects(openBackend(broken), { code: 'ERR_BACKEND_UNAVAILABLE', message, cause })
  })

  it('takes a backend that is a class, alone and under withOps', async () => {
    const inner = await reference.open({})
    class Mine {
      readonly name = 'mine'
      readonly capabilities = inner.capabilities
      readonly ops = inner.ops
      upload = inner.upload
      createCache = inner.createCache
      free = inner.free
      memory() {
        return inner.memory()
      }
      arena() {
        return inner.arena()
      }
      read(tensors: readonly ReferenceTensor[]) {
        return inner.read(tensors)
      }
      async dispose() {}
    }
    const module: BackendModule<ReferenceTensor> = { name: 'mine', open: async () => new Mine() }
    for (const opened of [module, withOps(module, { swiglu: (...call) => inner.ops.swiglu(...call) })]) {
      const backend = await openBackend(opened)
      const tensor = backend.upload(Float32Array.of(2), { shape: [1], dtype: 'f32' })
      assert.deepEqual(await backend.read([tensor]), [Float32Array.of(2)])
      await backend.dispose()
    }
  })

  it('does not open what says that it cannot run here', async () => {
    const absent: BackendModule<ReferenceTensor> = {
      ...reference,
      name: 'absent',
      unavailable: async () => 'install the package "absent-gpu"',
      open: () => assert.fail('it was opened'),
    }
    await assert.rejects(openBackend(absent), {
      code: 'ERR_BACKEND_UNAVAILABLE',
      message: 'the absent backend cannot run here: install the package "absent-gpu"',
    })
  })
})

describe('withOps', () => {
  it('replaces the ops that it is given, in a backend of another name, and leaves the others', async () => {
    const doubled = withOps(reference, {
      swiglu(out, gate, up) {
        for (let i = 0; i < out.data.length; i++) out.data[i] = 2 * gate.data[i]! * up.data[i]!
      },
    })
    assert.equal(doubled.name, 'reference with swiglu replaced')
    const backend = await openBackend(doubled)
    assert.equal(backend.name, 'reference with swiglu replaced')
    assert.equal(backend.capabilities.freeReads, true)
    const spec = { shape: [1, 2], dtype: 'f32' } as const
    const x = backend.upload(Float32Array.of(3, 4), spec)
    const out = backend.upload(new Float32Array(2), spec)
    backend.ops.swiglu(out, x, x)
    assert.deepEqual(await backend.read([out]), [Float32Array.of(18, 32)])
    backend.ops.copyRows(out, x, { rows: [0], at: 0 })
    assert.deepEqual(await backend.read([out]), [Float32Array.of(3, 4)])
    await backend.dispose()

    const plain = await openBackend(reference)
    const y = plain.upload(Float32Array.of(0, 0), spec)
    plain.ops.swiglu(y, y, y)
    assert.deepEqual(await plain.read([y]), [Float32Array.of(0, 0)])
    await plain.dispose()
  })
})

describe('withOps', () => {
  it('refuses a name that is no op, whose kernel would never run, and an op that is no function', () => {
    const refused = (ops: unknown, message: RegExp) =>
      assert.throws(() => withOps(reference, ops as never), { code: 'ERR_ARGUMENT', message })
    refused({ rmsnorm() {} }, /no op "rmsnorm"; there is embed, rmsNorm/)
    refused({ rmsNorm: undefined }, /rmsNorm is undefined/)
  })
})
