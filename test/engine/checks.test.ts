// The checks around every backend, as far as test/conformance has no case of them: what messages say, what cleaning up
// may always do, and lives that hang on one another.
import assert from 'node:assert/strict'
import { type Backend, type BackendModule, openBackend, type Tensor } from 'drafthorse/engine'
import { type ReferenceTensor, reference } from 'drafthorse/engine/reference'

describe('a checked backend', () => {
  let backend: Backend
  beforeEach(async () => {
    backend = await openBackend('reference')
  })
  afterEach(() => backend.dispose())

  const zeros = (...shape: number[]): Tensor =>
    backend.upload(new Float32Array(shape.reduce((a, b) => a * b)), { shape, dtype: 'f32' })

  it('says what came and what was expected', () => {
    const weight = zeros(3, 4)
    assert.throws(() => backend.ops.linear(zeros(2, 3), zeros(2, 5), { weight }), {
      message: 'linear: weight is [3, 4], expected [any, 5]',
    })
    assert.throws(() => backend.ops.rmsNorm(zeros(1, 4), zeros(1, 4), { weight: zeros(4), epsilon: 0 }), {
      message: 'rmsNorm: epsilon is 0, expected a number above 0',
    })
    assert.throws(() => backend.ops.embed(zeros(1, 4), Int32Array.of(3), { table: weight }), {
      code: 'ERR_ARGUMENT',
      message: 'embed: token 3 is outside the vocabulary, which has ids 0 to 2',
    })
    assert.throws(() => backend.upload(new Float32Array(3), { shape: [2, 2], dtype: 'f32' }), {
      message: 'upload: f32 [2, 2] takes 16 bytes, not 12',
    })
  })

  it('refuses a weight type that the backend does not run, and takes ids', async () => {
    const module: BackendModule<ReferenceTensor> = {
      ...reference,
      async open(options) {
        const made = await reference.open(options)
        return { ...made, capabilities: { ...made.capabilities, dtypes: ['bf16'] } }
      },
    }
    const narrow = await openBackend(module)
    assert.throws(() => narrow.upload(new Uint8Array(34), { shape: [1, 32], dtype: 'q8_0' }), {
      code: 'ERR_DTYPE',
      message: 'reference runs bf16, not q8_0',
    })
    narrow.upload(Int32Array.of(1), { shape: [1], dtype: 'i32' })
    narrow.upload(Float32Array.of(1), { shape: [1], dtype: 'f32' })
    narrow.upload(new Uint8Array(2), { shape: [1, 1], dtype: 'bf16' })
    await narrow.dispose()
  })

  it('lets everything be freed again, and after the end', async () => {
    const tensor = zeros(1)
    const cache = backend.createCache({ layers: 1, width: 1, capacity: 1 })
    const arena = backend.arena()
    const other = await openBackend('reference')
    other.free(tensor)
    await other.dispose()
    assert.equal(backend.memory().tensors, 1)
    for (let i = 0; i < 2; i++) {
      backend.free(tensor)
      backend.free(cache)
      arena.release()
    }
    assert.deepEqual(backend.memory(), { tensors: 0, caches: 0, arenas: 0, bytes: 0 })
    const late = { tensor: zeros(1), arena: backend.arena() }
    await backend.dispose()
    backend.free(late.tensor)
    late.arena.release()
    await backend.dispose()
  })

  it('throws a DisposedError after the end, also where nothing is asked for', async () => {
    await backend.dispose()
    await assert.rejects(backend.read([]), { code: 'ERR_DISPOSED', message: /reference backend was disposed/ })
    assert.throws(() => backend.arena(), { code: 'ERR_DISPOSED' })
  })

  it('refuses a cache whose parent, or whose parent’s parent, was freed', () => {
    const spec = { layers: 1, width: 2, capacity: 8 }
    const row = zeros(1, 2)
    const root = backend.createCache(spec)
    const middle = backend.createCache({ ...spec, parent: { cache: root, length: 2 } })
    const leaf = backend.createCache({ ...spec, parent: { cache: middle, length: 4 } })
    const segments = [{ cache: leaf, start: 4, count: 1 }]
    backend.ops.storeKV(row, row, { layer: 0, segments })
    backend.free(root)
    const gone = { code: 'ERR_DISPOSED' }
    const attention = { layer: 0, segments, headSize: 2, scale: 1 }
    assert.throws(() => backend.ops.attention(zeros(1, 2), row, attention), gone)
    assert.throws(() => backend.ops.copyKV(backend.createCache(spec), leaf, { from: 0, to: 5 }), gone)
    assert.throws(() => backend.createCache({ ...spec, parent: { cache: leaf, length: 5 } }), gone)
  })

  it('calls ops as methods of their object', async () => {
    const module: BackendModule<ReferenceTensor> = {
      ...reference,
      async open(options) {
        const made = await reference.open(options)
        const ops = { ...made.ops, factor: 3, swiglu: scale }
        return { ...made, ops }
      },
    }
    function scale(this: { factor: number }, out: ReferenceTensor, gate: ReferenceTensor): void {
      out.data[0] = this.factor * gate.data[0]!
    }
    const mine = await openBackend(module)
    const x = mine.upload(Float32Array.of(2), { shape: [1, 1], dtype: 'f32' })
    mine.ops.swiglu(x, x, x)
    assert.deepEqual(await mine.read([x]), [Float32Array.of(6)])
    await mine.dispose()
  })
})
