// Opening backends: by name, as modules of one's own, with ops replaced.
import assert from 'node:assert/strict'
import { type BackendModule, listBackends, openBackend, withOps } from 'drafthorse/engine'
import { type ReferenceTensor, reference } from 'drafthorse/engine/reference'

describe('openBackend', () => {
  it('opens every backend that is listed as available', async () => {
    const listed = await listBackends()
    assert.deepEqual(
      listed.map(({ name }) => name),
      ['reference'],
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
