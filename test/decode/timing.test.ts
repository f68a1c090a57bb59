// Timing: turns and statistics, on a made-up clock.

import assert from 'node:assert/strict'
import { interleave, pairedRatio, spread } from 'drafthorse/decode'

describe('interleave', () => {
  it('lets the sides take turns, in both orders, and leaves the warm-up out of the figures', async () => {
    const order: string[] = []
    let clock = 0
    const side = (name: string) => ({
      name,
      async run(round: number) {
        order.push(`${name}${round}`)
        return ++clock
      },
    })
    const figures = await interleave([side('a'), side('b')], { rounds: 3, warmup: 1 })
    assert.deepEqual(order, ['b0', 'a0', 'a0', 'b0', 'b1', 'a1', 'a2', 'b2'])
    assert.deepEqual(figures.get('a'), [3, 6, 7])
    assert.deepEqual(figures.get('b'), [4, 5, 8])
  })

  it('reports progress up to the end, and hands on what a side throws', async () => {
    const progress: number[] = []
    const sides = [{ name: 'a', run: async () => 1 }]
    await interleave(sides, { rounds: 2, onRun: (done, total) => progress.push(done / total) })
    assert.equal(progress.at(-1), 1)
    const failing = [{ name: 'a', run: () => Promise.reject(new Error('broken')) }]
    await assert.rejects(interleave(failing, { rounds: 1 }), /broken/)
  })
})

describe('spread', () => {
  it("gives median and quartiles as numpy's percentile does", () => {
    assert.deepEqual(spread([4, 1, 3, 2]), { median: 2.5, low: 1.75, high: 3.25, count: 4 })
    assert.deepEqual(spread([7]), { median: 7, low: 7, high: 7, count: 1 })
  })

  it('compares figures pair by pair', () => {
    assert.equal(pairedRatio([10, 40, 90], [10, 20, 30]).median, 2)
  })
})
