// Activations of products with weights in blocks: a row's scale, where nothing is as large as numbers usually are.
import assert from 'node:assert/strict'
import { openBackend } from 'drafthorse/engine'

describe('quantised activations', () => {
  // Below 2.4e-35 the inverse of a scale for 14 bits would not be finite.
  for (const largest of [1e30, 1, 1e-30, 1e-33, 1e-35, 1e-36, 1e-37, 1e-45, 0]) {
    it(`are off by no more than a step where the largest is ${largest}`, async () => {
      const backend = await openBackend('wasm', { threads: 1 })
      const x = Float32Array.from({ length: 32 }, (_, i) => (i < 2 ? largest / (i + 1) : 0))
      // Each weight row takes one activation: a scale of 1, and one weight of 1.
      const weights = new Uint8Array(32 * 34)
      for (let row = 0; row < 32; row++) weights.set([0, 0x3c], row * 34)
      for (let row = 0; row < 32; row++) weights[row * 34 + 2 + row] = 1
      const weight = backend.upload(weights, { shape: [32, 32], dtype: 'q8_0' })
      const arena = backend.arena()
      const out = arena.tensor([1, 32])
      backend.ops.linear(out, backend.upload(x, { shape: [1, 32], dtype: 'f32' }), { weight })
      const [values] = await backend.read([out])
      const step = Math.max(largest, 2 ** -110) / 8191
      for (let i = 0; i < 32; i++) assert.ok(Math.abs(values![i]! - x[i]!) <= step, `${values![i]} for ${x[i]}`)
      await backend.dispose()
    })
  }
})
