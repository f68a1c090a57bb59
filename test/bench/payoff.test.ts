// What follows from measured costs, and models of a shape alone. What they cost is nobody's to assert.
import assert from 'node:assert/strict'
import { openBackend, type WeightSpec } from 'drafthorse/engine'
import { bestLength, breakEven, payoff } from '../../bench/payoff.ts'
import { randomLlama, shapes } from '../../bench/shapes.ts'
import { OutOfMemoryError } from '../../engine/errors.ts'
import { createTurn } from '../../engine/turn.ts'

const turn = createTurn()

describe('the best draft length', () => {
  const flat = { draftCost: 0.25, verifyCosts: Array<number>(9).fill(1) }

  it('is the longest where drafts are always right, and none where they never are', () => {
    assert.deepEqual(bestLength(1, flat), { draftLength: 8, speedup: 9 / 3 })
    assert.deepEqual(bestLength(0, flat), { draftLength: 0, speedup: 1 })
  })

  it('gives (1 - a^(k+1)) / (1 - a) tokens in k drafts and one pass, and no length gives more', () => {
    for (const acceptance of [0.3, 0.7, 0.9]) {
      const gain = (k: number): number => (1 - acceptance ** (k + 1)) / (1 - acceptance) / (1 + 0.25 * k)
      const { draftLength, speedup } = bestLength(acceptance, flat)
      assert.ok(Math.abs(speedup - gain(draftLength)) < 1e-12)
      for (let k = 0; k <= 8; k++) assert.ok(speedup >= gain(k) - 1e-12, `${k} at ${acceptance}`)
    }
  })

  it('is none where a pass of more rows costs as much more', () => {
    const steep = { draftCost: 0.25, verifyCosts: [1, 2, 3, 4] }
    assert.deepEqual(bestLength(0.99, steep), { draftLength: 0, speedup: 1 })
  })
})

describe('the acceptance that pays', () => {
  it('gives plain speed, and a little more of it more than that', () => {
    for (const draftCost of [0.1, 0.25, 0.6]) {
      const costs = { draftCost, verifyCosts: [1, 1.1, 1.2, 1.4, 1.9] }
      const least = breakEven(costs)
      assert.ok(least > 0 && least < 1)
      assert.equal(bestLength(least - 2e-4, costs).speedup, 1)
      const { speedup } = bestLength(least, costs)
      assert.ok(speedup > 1 && speedup < 1.001, `${least} gives ${speedup}`)
    }
  })

  it('is 1 where even drafts that are always right bring nothing', () => {
    assert.equal(breakEven({ draftCost: 1, verifyCosts: [1, 1.1, 1.2] }), 1)
  })
})

describe('a model of a shape', () => {
  const config = { ...shapes['smollm2-135m']!, vocabSize: 64, hiddenSize: 48, intermediateSize: 32, numHiddenLayers: 4 }

  it('has its passes measured, and what follows from them', async () => {
    const backend = await openBackend('reference')
    const llama = await randomLlama(backend, config, { dtype: 'f32', turn })
    const settings = { shares: [0.5, 1], acceptances: [0, 0.5, 1], longest: 3, context: 5, repeats: 3, turn }
    const { passes, rows } = await payoff(llama, settings)
    assert.deepEqual(
      passes.map((pass) => [pass.rows, pass.skipped]),
      [1, 2, 3, 4].map((count) => [count, 0]),
    )
    const verifyCosts = passes.map(({ ratio }) => ratio)
    assert.deepEqual(
      rows.map(({ share }) => share),
      [0.5, 1],
    )
    for (const { draftCost, breakEven: least, gains } of rows) {
      const costs = { draftCost, verifyCosts }
      assert.equal(least, breakEven(costs))
      assert.deepEqual(
        gains,
        [0, 0.5, 1].map((acceptance) => ({ acceptance, ...bestLength(acceptance, costs) })),
      )
    }
    llama.free()
    assert.deepEqual(backend.memory(), { tensors: 0, caches: 0, arenas: 0, bytes: 0 })
    await backend.dispose()
  })

  it('tells the backend of all its weights before the first is uploaded', async () => {
    const backend = await openBackend('reference')
    const told: WeightSpec[] = []
    const asked = {
      ...backend,
      async prepare(weights: readonly WeightSpec[]) {
        assert.equal(backend.memory().tensors, 0)
        told.push(...weights)
      },
    }
    const llama = await randomLlama(asked, config, { dtype: 'bf16', turn })
    assert.equal(told.length, backend.memory().tensors)
    assert.deepEqual([told[0]!.shape, told[0]!.dtype], [[64, 48], 'bf16'])
    llama.free()
    await backend.dispose()
  })

  it('takes nothing where the backend says that it does not fit', async () => {
    const backend = await openBackend('reference')
    const full = { ...backend, prepare: () => Promise.reject(new OutOfMemoryError('too large')) }
    await assert.rejects(randomLlama(full, config, { dtype: undefined, turn }), { code: 'ERR_OUT_OF_MEMORY' })
    assert.equal(backend.memory().tensors, 0)
    await backend.dispose()
  })

  it('frees what it took when it is interrupted', async () => {
    const backend = await openBackend('reference')
    let turns = 0
    const failing = async (): Promise<void> => {
      if (++turns > 5) throw new Error('enough')
    }
    await assert.rejects(randomLlama(backend, config, { dtype: undefined, turn: failing }), /enough/)
    assert.equal(backend.memory().tensors, 0)
    await backend.dispose()
  })
})
