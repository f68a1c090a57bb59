// Llama 3's scaling of rope as factors and back. The factors of Llama 3.1 are computed here as its authors do.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { factorsOf, llama3Of } from '../../../model/load/rope-factors.ts'
import { fails } from './fixtures.ts'

const llama31 = {
  type: 'llama3',
  factor: 8,
  lowFreqFactor: 1,
  highFreqFactor: 4,
  originalMaxPositionEmbeddings: 8192,
} as const
const rope = { headDim: 128, ropeTheta: 500000 }

/** By wavelengths, as in Meta's own `apply_scaling`. */
function stretched(frequency: number): number {
  const wavelength = (2 * Math.PI) / frequency
  if (wavelength < 8192 / 4) return frequency
  if (wavelength > 8192 / 1) return frequency / 8
  const smooth = (8192 / wavelength - 1) / (4 - 1)
  return ((1 - smooth) * frequency) / 8 + smooth * frequency
}

describe('rope factors', () => {
  it('are what Llama 3.1 divides its frequencies by', () => {
    for (const [i, factor] of factorsOf(llama31, rope).entries()) {
      const frequency = 500000 ** (-i / 64)
      assert.ok(Math.abs((factor * stretched(frequency)) / frequency - 1) < 1e-6, `pair ${i}`)
    }
  })

  it('give the scalings of Llama 3.1 and 3.2 back', () => {
    for (const headDim of [64, 128]) {
      for (const factor of [8, 32]) {
        const scaling = { ...llama31, factor }
        assert.deepEqual(llama3Of(factorsOf(scaling, { ...rope, headDim }), { ...rope, headDim }, 'x'), scaling)
      }
    }
  })

  it('give a scaling that comes to the same factors, for any head with two pairs between the limits', () => {
    const scalings = fc.record({
      type: fc.constant('llama3' as const),
      factor: fc.integer({ min: 2, max: 64 }),
      lowFreqFactor: fc.constant(1),
      highFreqFactor: fc.integer({ min: 2, max: 8 }),
      originalMaxPositionEmbeddings: fc.integer({ min: 5, max: 14 }).map((power) => 2 ** power),
    })
    const heads = fc.record({
      headDim: fc.integer({ min: 8, max: 128 }).map((half) => 2 * half),
      ropeTheta: fc.constantFrom(10000, 500000),
    })
    fc.assert(
      fc.property(scalings, heads, (scaling, head) => {
        const factors = factorsOf(scaling, head)
        fc.pre(factors.filter((factor) => factor > 1.001 && factor < scaling.factor - 0.001).length >= 2)
        return factorsOf(llama3Of(factors, head, 'x')!, head).every(
          (factor, i) => Math.abs(factor / factors[i]! - 1) <= 1e-5,
        )
      }),
    )
  })

  it('that stretch nothing are no scaling, and those of another kind are refused', async () => {
    assert.equal(llama3Of(new Float32Array(64).fill(1), rope, 'x'), undefined)
    const other = factorsOf(llama31, rope)
    other[40]! += 1
    const hostile = [other, other.slice(1), new Float32Array(64), new Float32Array(64).fill(Number.NaN)]
    for (const factors of hostile) await fails(() => llama3Of(factors, rope, 'x'), 'ERR_MODEL_FORMAT', /stretches rope/)
  })
})
