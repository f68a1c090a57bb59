// What follows from measured costs, and from those of a few layers. What passes cost is nobody's to assert.
import assert from 'node:assert/strict'
import { type Backend, elementCount, type Ops, openBackend } from 'drafthorse/engine'
import fc from 'fast-check'
import { type ExtrapolatedPass, extrapolate, fitLayers, fitLine, layerCounts } from '../../bench/layer-fit.ts'
import { bestLength, breakEven, payoff, prefixBelow } from '../../bench/payoff.ts'
import { randomLlama } from '../../bench/random-llama.ts'
import { shapes } from '../../bench/shapes.ts'
import type { PassCost } from '../../decode/pass-cost.ts'
import { createTurn } from '../../engine/turn.ts'
import type { LlamaConfig } from '../../model/config.ts'
import type { Llama } from '../../model/llama.ts'

const turn = createTurn()
const small = { ...shapes['smollm2-135m']!, vocabSize: 64, hiddenSize: 48, intermediateSize: 32, numHiddenLayers: 4 }

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

describe('prefix reuse', () => {
  // One draft: 1.8 tokens in 0.5 + 1.2, or, with four tenths of the pass reused, in 0.5 + 0.4 + 0.6 * 1.2.
  const costs = { draftCost: 0.5, verifyCosts: [1, 1.2] }

  it('spares the part of a verification below the first skipped sublayer all rows but one', () => {
    const { draftLength, speedup } = bestLength(0.8, costs)
    const reused = bestLength(0.8, { ...costs, prefixShare: 0.4 })
    assert.deepEqual([draftLength, reused.draftLength], [1, 1])
    assert.ok(Math.abs(speedup - 1.8 / 1.7) < 1e-12)
    assert.ok(Math.abs(reused.speedup - 1.8 / 1.62) < 1e-12)
  })

  it('lets drafting pay from less on', () => {
    assert.ok(Math.abs(breakEven(costs) - 0.7) < 1e-4)
    assert.ok(Math.abs(breakEven({ ...costs, prefixShare: 0.4 }) - 0.62) < 1e-4)
  })

  it('brings nothing where a pass of more rows costs no more', () => {
    const flat = { draftCost: 0.25, verifyCosts: [1, 1, 1] }
    assert.deepEqual(bestLength(0.9, { ...flat, prefixShare: 0.5 }), bestLength(0.9, flat))
  })

  it('has the layers before the skipped ones, each of which takes what a skipped one saves', () => {
    assert.equal(prefixBelow({ draftCost: 0.55, layersSkipped: 10, layers: 30 }), 0.55, 'no more than the draft itself')
    assert.ok(Math.abs(prefixBelow({ draftCost: 0.55, layersSkipped: 15, layers: 30 }) - 0.45) < 1e-12)
    assert.equal(prefixBelow({ draftCost: 0.1, layersSkipped: 30, layers: 30 }), 0)
    assert.equal(prefixBelow({ draftCost: 1.3, layersSkipped: 15, layers: 30 }), 0)
    assert.equal(prefixBelow({ draftCost: 1, layersSkipped: 0, layers: 30 }), 1)
  })
})

/**
 * A backend in whose time only products pass: for each weight a unit, and a tenth of it for each row. It counts products as
 * its operations.
 */
function counting(backend: Backend) {
  let [time, products] = [0, 0]
  const linear: Ops['linear'] = (out, x, map) => {
    time += elementCount(map.weight.shape) * (1 + x.shape[0]! / 10)
    products++
    backend.ops.linear(out, x, map)
  }
  return {
    backend: { ...backend, ops: { ...backend.ops, linear }, operations: () => products },
    clock: () => time,
  }
}

/** A model with these layers is freed when `use` is done. */
async function withModel<T>(config: LlamaConfig, use: (llama: Llama, clock: () => number) => Promise<T>): Promise<T> {
  const plain = await openBackend('reference')
  const { backend, clock } = counting(plain)
  const llama = await randomLlama(backend, config, { dtype: 'f32', turn })
  const result = await use(llama, clock)
  llama.free()
  assert.deepEqual(plain.memory(), { tensors: 0, caches: 0, arenas: 0, bytes: 0 })
  await plain.dispose()
  return result
}

describe('payoff', () => {
  const settings = { shares: [0.5, 1], acceptances: [0, 0.5, 1], longest: 3, context: 5, repeats: 3, turn }

  it('has passes measured, and what follows from them', async () => {
    const result = await withModel(small, (llama) => payoff(llama, settings))
    assert.ok(result.source === 'measured')
    const { passes, rows, layers, layersRun } = result
    assert.deepEqual([layers, layersRun], [4, 4])
    assert.deepEqual(
      passes.map((pass) => [pass.rows, pass.skipped]),
      [1, 2, 3, 4].map((count) => [count, 0]),
    )
    const verifyCosts = passes.map(({ ratio }) => ratio)
    assert.deepEqual(
      rows.map(({ share, layersSkipped }) => [share, layersSkipped]),
      [
        [0.5, 2],
        [1, 4],
      ],
    )
    for (const { draftCost, layersSkipped, reuse, ...outlook } of rows) {
      const prefixShare = prefixBelow({ draftCost, layersSkipped, layers })
      assert.equal(reuse.prefixShare, prefixShare)
      for (const { costs, told } of [
        { costs: { draftCost, verifyCosts }, told: outlook },
        { costs: { draftCost, verifyCosts, prefixShare }, told: reuse },
      ]) {
        assert.equal(told.breakEven, breakEven(costs))
        assert.deepEqual(
          told.gains,
          [0, 0.5, 1].map((acceptance) => ({ acceptance, ...bestLength(acceptance, costs) })),
        )
      }
    }
  })

  it('says of all layers from a few what it measures where all run', async () => {
    const whole = { ...small, numHiddenLayers: 12 }
    const asked = { ...settings, shares: [0.25, 0.5, 0.75], repeats: 1 }
    const all = await withModel(whole, (llama, clock) => payoff(llama, { ...asked, clock }))
    const few = await withModel({ ...whole, numHiddenLayers: 3 }, (llama, clock) =>
      payoff(llama, { ...asked, clock, layers: 12 }),
    )
    assert.ok(all.source === 'measured' && few.source === 'extrapolated')
    assert.deepEqual([few.layers, few.layersRun], [12, 3])
    // Seven matrices a layer, and the head.
    assert.deepEqual(
      few.passes.map(({ operations }) => operations?.count),
      [85, 85, 85, 85],
    )
    for (const [i, { rows, ms, ratio, operations }] of all.passes.entries()) {
      const told: ExtrapolatedPass = few.passes[i]!
      assert.equal(told.rows, rows)
      assert.equal(told.operations?.count, operations?.count)
      assert.ok(Math.abs(told.ms.median / ms.median - 1) < 1e-9)
      assert.ok(Math.abs(told.ratio - ratio) < 1e-9)
    }
    for (const [i, { draftCost, reuse, breakEven: least, gains }] of all.rows.entries()) {
      const told = few.rows[i]!
      assert.ok(draftCost < 1 && least < 1 && gains[2]!.speedup > 1, 'there is something to be right about')
      assert.ok(Math.abs(told.draftCost - draftCost) < 1e-9)
      assert.ok(Math.abs(told.reuse.prefixShare - reuse.prefixShare) < 1e-9)
      assert.ok(Math.abs(told.breakEven - least) < 2e-4)
      assert.ok(Math.abs(told.gains[2]!.speedup - gains[2]!.speedup) < 1e-9)
    }
    for (const { measured, residual } of few.fits) {
      assert.deepEqual(
        measured.map((point) => point.layers),
        [1, 2, 3],
      )
      assert.equal(residual?.layers, 2)
      assert.ok(Math.abs(residual.share) < 1e-9)
    }
  })

  it('tells of every pass that it times, and at last that all are done', async () => {
    const told: (readonly [number, number])[] = []
    const onProgress = (...progress: readonly [number, number]): void => void told.push(progress)
    await withModel(small, (llama) => payoff(llama, { ...settings, repeats: 1, layers: 9, onProgress }))
    // Three counts of layers for four counts of rows, four times each.
    assert.deepEqual(
      told,
      Array.from({ length: 48 }, (_, i) => [i + 1, 48]),
    )
  })

  it('refuses to tell more from one layer, or fewer layers than run', async () => {
    const refused = (config: LlamaConfig, layers: number): Promise<void> =>
      withModel(config, (llama) => assert.rejects(payoff(llama, { ...settings, layers }), { code: 'ERR_ARGUMENT' }))
    await refused({ ...small, numHiddenLayers: 1 }, 4)
    await refused(small, 3)
  })
})

describe('a line through layers', () => {
  const cost = (median: number): PassCost => ({
    rows: 1,
    skipped: 0,
    ms: { median, low: median, high: median, count: 1 },
    ratio: 1,
  })

  it('is measured at the most layers, a third of them, and once in between where there is such a count', () => {
    assert.deepEqual([2, 3, 4, 5, 6].map(layerCounts), [
      [1, 2],
      [1, 2, 3],
      [1, 3, 4],
      [2, 4, 5],
      [2, 4, 6],
    ])
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 200 }), (most) => {
        const [least, between, last, ...more] = layerCounts(most)
        assert.ok(1 <= least! && least! < between! && between! < last! && last === most && more.length === 0)
      }),
    )
  })

  it('goes through what was measured at its ends, and is off by what lies beside it', () => {
    const fit = fitLayers([2, 4, 6], [cost(10), cost(20), cost(22)])
    assert.deepEqual([fit.layer, fit.rest], [3, 4])
    assert.deepEqual(fit.residual, { layers: 4, share: 16 / 20 - 1 })
    assert.deepEqual(extrapolate([fit], 32)[0], { rows: 1, ms: { median: 100 }, ratio: 1 })
  })

  it('is not checked where there are but two counts', () => {
    assert.equal(fitLayers([1, 2], [cost(3), cost(4)]).residual, undefined)
  })

  it('has no costs below 0, whatever the noise', () => {
    assert.deepEqual(fitLine({ layers: 2, cost: 6 }, { layers: 6, cost: 4 }), { rest: 5, layer: 0 })
    assert.deepEqual(fitLine({ layers: 1, cost: 1 }, { layers: 2, cost: 7 }), { rest: 0, layer: 15 / 5 })
  })
})
