// The reference backend's own promises; what it shares with every backend is in test/conformance.
import assert from 'node:assert/strict'
import { type Backend, type KVCache, openBackend, type Tensor } from 'drafthorse/engine'

describe('the reference backend', () => {
  let backend: Backend
  beforeEach(async () => {
    backend = await openBackend('reference')
  })
  afterEach(() => backend.dispose())

  const ones = (...shape: number[]): Tensor =>
    backend.upload(new Float32Array(shape.reduce((a, b) => a * b)).fill(1), { shape, dtype: 'f32' })

  it('says what it is: row-invariant, on one thread, in software, with results at hand', () => {
    const { rowInvariant, threads, kind, dtypes, freeReads } = backend.capabilities
    assert.deepEqual(
      { rowInvariant, threads, kind, dtypes, freeReads },
      {
        rowInvariant: true,
        threads: 1,
        kind: 'software',
        dtypes: ['f32', 'bf16', 'q8_0', 'q4_0', 'q4_1'],
        freeReads: true,
      },
    )
  })

  it('takes memory for a cache as its positions are used, in doublings, up to its capacity', () => {
    const width = 4
    const cache = backend.createCache({ layers: 1, width, capacity: 300 })
    const row = ones(1, width)
    const { bytes } = backend.memory()
    const positions = (start: number): number => {
      backend.ops.storeKV(row, row, { layer: 0, segments: [{ cache, start, count: 1 }] })
      return (backend.memory().bytes - bytes) / (2 * 4 * width)
    }
    assert.equal(backend.memory().bytes, bytes)
    assert.deepEqual([0, 63, 64, 128, 255, 256, 299].map(positions), [64, 64, 128, 256, 256, 300, 300])
  })

  it('gives a cache that would not fit in memory anywhere, until it is used', () => {
    const cache: KVCache = backend.createCache({ layers: 1000, width: 2 ** 20, capacity: 2 ** 30 })
    assert.equal(backend.memory().bytes, 0)
    backend.free(cache)
    assert.equal(backend.memory().caches, 0)
  })

  it('keeps what grew', async () => {
    const cache = backend.createCache({ layers: 1, width: 2, capacity: 200 })
    const arena = backend.arena()
    const first = backend.upload(Float32Array.of(3, 5), { shape: [1, 2], dtype: 'f32' })
    const zeros = backend.upload(new Float32Array(2 * 150), { shape: [150, 2], dtype: 'f32' })
    backend.ops.storeKV(first, first, { layer: 0, segments: [{ cache, start: 0, count: 1 }] })
    backend.ops.storeKV(zeros, zeros, { layer: 0, segments: [{ cache, start: 1, count: 150 }] })
    const out = arena.tensor([1, 2])
    const segments = [{ cache, start: 0, count: 1 }]
    backend.ops.attention(out, first, { layer: 0, segments, headSize: 2, scale: 1 })
    assert.deepEqual(await backend.read([out]), [Float32Array.of(3, 5)])
    arena.release()
  })

  it('shares nothing with another one', async () => {
    const other = await openBackend('reference')
    ones(5)
    assert.equal(other.memory().tensors, 0)
    await other.dispose()
    assert.equal(backend.memory().tensors, 1)
  })
})
