// What the strategies find where the best point is known, and how they keep to their contract.

import assert from 'node:assert/strict'
import { seeded } from '../../decode/seeded.ts'
import type { Inside } from '../../search/objective.ts'
import { exits, keyOf } from '../../search/space.ts'
import { initialPoints, strategies } from '../../search/strategies/index.ts'
import { lossesInside } from '../../search/strategies/knapsack.ts'
import { type Searched, searchWith } from './loop.ts'
import { bound, type PlantedOptions, planted } from './planted.ts'

const seeds = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
const named = (name: string) => strategies.find((strategy) => strategy.name === name)!

describe('planted objective', () => {
  it('has its best point where it was planted: no other of 12 sublayers is better', () => {
    for (const where of ['anywhere', 'late'] as const) {
      const objective = planted({ sublayers: 12, seed: 5, where })
      for (let bits = 0; bits < 2 ** 12; bits++) {
        const point = Array.from({ length: 12 }, (_, i) => (bits >> i) % 2 === 1)
        assert.ok(objective.at(point).drafted! <= objective.best, keyOf(point))
      }
    }
  })

  it('has its best point where it was planted: what skips more is bounded by less', () => {
    for (const sublayers of [24, 160]) {
      for (const perRow of [0.05, 0.3]) {
        const objective = planted({ sublayers, seed: 1, perRow })
        assert.equal(bound(0, { objective, perRow }), objective.best)
        const most = objective.costs.reduce((sum, cost, i) => (objective.optimum[i] ? sum : sum + cost), 0)
        for (let time = 0.001; time < most; time += 0.001) {
          assert.ok(bound(time, { objective, perRow }) < objective.best, `at ${time}`)
        }
      }
    }
  })
})

describe('initial points', () => {
  it('are the empty set and every early exit, or some where that were more than a third of the budget', () => {
    assert.deepEqual(initialPoints(24, 60).map(keyOf), ['0'.repeat(24), ...exits(24).map(keyOf)])
    for (const budget of [1, 2, 7, 40, 300]) {
      for (const sublayers of [24, 160]) {
        const points = initialPoints(sublayers, budget)
        assert.ok(points.length <= Math.max(1, budget / 3), `${points.length} of ${budget}`)
        assert.ok(!points[0]!.includes(true))
      }
    }
  })
})

describe('strategies', () => {
  const searched: Record<string, Searched[]> = {}

  function table(title: string, options: Omit<PlantedOptions, 'seed'> & { budget: number; count: number }): void {
    const { budget, count, ...rest } = options
    it(`search ${title}: ${budget} evaluations, ${count} seeds`, async () => {
      for (const strategy of strategies) {
        const runs: Searched[] = []
        for (const seed of seeds(count)) {
          const objective = planted({ ...rest, seed })
          const run = await searchWith(objective, { strategy, seed, budget })
          assert.ok(run.value <= objective.best)
          runs.push({ ...run, value: run.value / objective.best })
        }
        searched[`${title} ${strategy.name}`] = runs
        const values = runs.map(({ value }) => value)
        const figure = (value: number): string => `${(100 * value).toFixed(1)} %`.padStart(8)
        console.log(
          `      ${strategy.name.padEnd(9)} of the optimum: median ${figure(median(values))}, worst ${figure(Math.min(...values))},` +
            ` found in ${values.filter((value) => value === 1).length} of ${count}, best after ${median(runs.map(({ found }) => found))}` +
            ` of ${median(runs.map(({ evaluations }) => evaluations))} evaluations`,
        )
      }
    })
  }

  const all = (title: string, name: string): number[] => searched[`${title} ${name}`]!.map(({ value }) => value)

  table('24 sublayers', { sublayers: 24, budget: 60, count: 5 })
  table('24 sublayers, rows dear', { sublayers: 24, perRow: 0.3, where: 'late', budget: 60, count: 5 })
  table('160 sublayers', { sublayers: 160, budget: 120, count: 1 })

  it('bayesian finds the best of 24 sublayers in each search, is within 8 % of that of 160, and no median is better', () => {
    for (const title of ['24 sublayers', '24 sublayers, rows dear']) {
      for (const value of all(title, 'bayesian')) assert.equal(value, 1, title)
    }
    assert.ok(median(all('160 sublayers', 'bayesian')) > 0.92)
    for (const title of ['24 sublayers', '24 sublayers, rows dear', '160 sublayers']) {
      for (const { name } of strategies) {
        assert.ok(median(all(title, 'bayesian')) >= median(all(title, name)), `${name}, ${title}`)
      }
    }
  })

  for (const strategy of strategies) {
    it(`${strategy.name} repeats itself for the same seed, keeps to its budget, and asks for hardly a point twice`, async () => {
      const objective = planted({ sublayers: 12, seed: 3 })
      const options = { strategy, seed: 9, budget: 40 }
      const [first, second] = [await searchWith(objective, options), await searchWith(objective, options)]
      assert.deepEqual(first, second)
      assert.ok(first.evaluations <= 40)
      assert.ok(first.repeated <= first.evaluations, `${first.repeated} repeated`)
    })

    it(`${strategy.name} ends by itself where there is nothing left to try`, async () => {
      const objective = planted({ sublayers: 4, seed: 3 })
      const { ended, value } = await searchWith(objective, { strategy, seed: 1, budget: 1000 })
      assert.equal(ended, 'exhausted')
      if (strategy.name !== 'clasp' && strategy.name !== 'knapsack') assert.equal(value, objective.best)
    })
  }

  for (const name of ['bayesian', 'knapsack', 'clasp']) {
    it(`${name} does without a model to look into`, async () => {
      const { inside: _, ...objective } = planted({ sublayers: 12, seed: 3 })
      const { value, evaluations } = await searchWith(objective, { strategy: named(name), seed: 1, budget: 40 })
      if (name === 'clasp') assert.equal(evaluations, initialPoints(12, 40).length)
      else assert.equal(evaluations, 40)
      if (name === 'bayesian') assert.equal(value, planted({ sublayers: 12, seed: 3 }).best)
    })
  }

  it('bayesian goes on where every point is worth the same', async () => {
    const evaluation = { speedup: 1, draftLength: 0, survival: [], draft: 1 }
    const objective = { ...planted({ sublayers: 12, seed: 1 }), evaluate: async () => [evaluation] }
    const { evaluations } = await searchWith(objective, { strategy: named('bayesian'), seed: 1, budget: 40 })
    assert.equal(evaluations, 40)
  })

  it('bayesian lets others have their turn while it chooses, and stops where that throws', async () => {
    const { sublayers, costs, at } = planted({ sublayers: 24, seed: 1 })
    const told = initialPoints(sublayers, 60).map((point) => ({ point, value: at(point).drafted! }))
    let left = Number.POSITIVE_INFINITY
    const turn = async (): Promise<void> => {
      if (left-- <= 0) throw new Error('stopped')
    }
    const about = { sublayers, budget: 60, costs, inside: undefined, random: seeded(1, 'turns'), known: told, turn }
    const asking = named('bayesian').start(about)
    const flips = await asking.next([])
    const one = await asking.next(flips.value!.map((point) => at(point).drafted!))
    left = told.length + flips.value!.length + 10
    await assert.rejects(() => asking.next(one.value!.map((point) => at(point).drafted!)), /stopped/)
  })

  for (const cost of [0, Number.NaN]) {
    for (const name of ['bayesian', 'knapsack']) {
      it(`${name} goes on where every sublayer costs ${cost}, and asks for sets of every size`, async () => {
        const objective = { ...planted({ sublayers: 12, seed: 1 }), costs: new Array<number>(12).fill(cost) }
        const { keys } = await searchWith(objective, { strategy: named(name), seed: 1, budget: 40 })
        const sizes = new Set(keys.slice(initialPoints(12, 40).length).map((key) => key.replaceAll('0', '').length))
        assert.ok(sizes.size > 4, `${[...sizes]}`)
      })
    }
  }

  it('knapsack takes a sublayer without which hidden states overflow last', async () => {
    const losses = await lossesInside(overflowing(), 3)
    assert.ok(losses.every(Number.isFinite), `${losses}`)
    assert.equal(losses.indexOf(Math.max(...losses)), 1)
  })
})

/** Three sublayers that change nothing, but the third what the second has not run on. */
function overflowing(): Inside {
  const state = Float32Array.of(1, 0)
  const marked = Float32Array.of(1, 1)
  return {
    states: async () => [[state], [state], [marked], [marked]],
    run: async (sublayer, variants) =>
      variants.map(([from]) => [
        sublayer === 1 ? marked : from![1] === 1 ? from! : Float32Array.of(Number.NaN, Number.NaN),
      ]),
  }
}
