// What a search believes of sets that it has not asked for, against the formulas that it is said to go by.

import assert from 'node:assert/strict'
import { EigenvalueDecomposition, inverse, Matrix } from 'ml-matrix'
import { type Seeded, seeded } from '../../decode/seeded.ts'
import { expectedImprovement } from '../../search/gaussian-process.ts'
import { distance, flipped, keyOf, type Point } from '../../search/space.ts'
import { randomPoint } from '../../search/strategies/random.ts'
import type { Told } from '../../search/strategies/strategy.ts'
import { type Fitted, type Priors, shapeOf, standardised, surrogate } from '../../search/strategies/surrogate.ts'

/** The covariance of the values at two sets, as the paper's formulas that surrogate.ts names have it, digit by digit. */
function kernel([a, b]: readonly [Point, Point], { at, priors }: { at: Fitted; priors: Priors }): number {
  const { linear, length, sums, reach } = shapeOf(at)
  const share = distance(a, b) / a.length
  const apart = [priors.saves, priors.loses].map((parts) =>
    parts.reduce((sum, part, i) => sum + part * (Number(a[i]) - Number(b[i])), 0),
  )
  const squared = apart.reduce((sum, x) => sum + x ** 2, 0)
  return 1 + linear * (1 - 2 * share) + Math.exp(-share / length) + sums * Math.exp(-squared / (2 * reach ** 2))
}

/** Sublayers, what is known of them, and sets with values; none twice. */
function landscape(seed: number): { random: Seeded; priors: Priors; told: Told[] } {
  const random = seeded(seed, 'surrogate')
  const sublayers = 6 + 2 * random.below(10)
  const parts = (): number[] => {
    const raw = Array.from({ length: sublayers }, () => 1 + random.below(100))
    const total = raw.reduce((sum, x) => sum + x, 0)
    return raw.map((x) => x / total)
  }
  const priors = { saves: parts(), loses: seed % 4 === 0 ? parts().map(() => 0) : parts() }
  const points = Array.from({ length: 30 }, () => randomPoint(sublayers, random))
  const distinct = [...new Map(points.map((point) => [keyOf(point), point])).values()]
  return { random, priors, told: distinct.map((point) => ({ point, value: random.below(1000) / 500 })) }
}

/** Of each part of a kernel any choice. */
const anyOf = (random: Seeded): Fitted => ({
  linear: random.below(5),
  length: random.below(5),
  sums: random.below(5),
  reach: random.below(5),
  noise: random.below(4),
})

const near = (actual: number, expected: number, what: string): void =>
  assert.ok(
    Math.abs(actual - expected) <= 1e-7 * Math.max(1, Math.abs(expected)),
    `${what}: ${actual}, not ${expected}`,
  )

const seeds = Array.from({ length: 20 }, (_, i) => i)

describe('surrogate', () => {
  it('has a kernel that is symmetric and positive definite, with every choice of its parts', () => {
    for (const seed of seeds) {
      const { random, priors, told } = landscape(seed)
      const about = { at: anyOf(random), priors }
      const matrix = new Matrix(told.map((a) => told.map((b) => kernel([a.point, b.point], about))))
      assert.ok(matrix.isSymmetric())
      const least = Math.min(...new EigenvalueDecomposition(matrix, { assumeSymmetric: true }).realEigenvalues)
      assert.ok(least > 0, `seed ${seed}: an eigenvalue of ${least}`)
    }
  })

  it('believes what the plain formulas say (Rasmussen and Williams 2006, eq. 2.25 and 2.26), its scale the likeliest', async () => {
    for (const seed of seeds) {
      const { random, priors, told } = landscape(seed)
      const fitted = anyOf(random)
      const model = await surrogate({ told, priors, fitted, refit: 'keep' })
      assert.deepEqual(model.fitted, fitted)
      const about = { at: fitted, priors }
      const { noise } = shapeOf(fitted)
      const values = Matrix.columnVector(standardised(told.map(({ value }) => value)))
      const inverted = inverse(
        new Matrix(told.map((a, i) => told.map((b, j) => kernel([a.point, b.point], about) + (i === j ? noise : 0)))),
      )
      const scale = values.transpose().mmul(inverted).mmul(values).get(0, 0) / told.length
      for (let n = 0; n < 10; n++) {
        const point = randomPoint(priors.saves.length, random)
        const between = Matrix.rowVector(told.map((known) => kernel([point, known.point], about)))
        const weights = between.mmul(inverted)
        const mean = weights.mmul(values).get(0, 0)
        const variance = kernel([point, point], about) - weights.mmul(between.transpose()).get(0, 0)
        const place = model.place(point)
        near(model.mean(place), mean, `seed ${seed}, mean`)
        const belief = { mean, standardDeviation: Math.sqrt(Math.max(0, variance * scale)) }
        const improvement = expectedImprovement(belief, Math.max(...values.to1DArray()))
        assert.ok(Math.abs(model.improvement(place) - improvement) < 1e-5, `seed ${seed}, improvement`)
      }
    }
  })

  it('knows the place beside another as it knows any, whichever sublayers are flipped', async () => {
    for (const seed of seeds) {
      const { random, priors, told } = landscape(seed)
      const model = await surrogate({ told, priors, fitted: anyOf(random), refit: 'keep' })
      const sublayers = priors.saves.length
      for (let n = 0; n < 20; n++) {
        const point = randomPoint(sublayers, random)
        const flips = random.shuffled(point.map((_, i) => i)).slice(0, 1 + random.below(3))
        const there = model.place(flipped(point, ...flips))
        const beside = model.beside(model.place(point), point, flips)
        assert.deepEqual(beside.differing, there.differing)
        near(beside.saved, there.saved, 'saved')
        near(beside.lost, there.lost, 'lost')
      }
    }
  })

  it('finds the likeliest kernel again where it begins with it', async () => {
    const { priors, told, random } = landscape(3)
    const first = await surrogate({ told, priors, fitted: anyOf(random), refit: 'likelihood' })
    const second = await surrogate({ told, priors, fitted: first.fitted, refit: 'likelihood' })
    assert.deepEqual(second.fitted, first.fitted)
  })

  it('lets others have their turn between kernels, and stops where that throws', async () => {
    const { priors, told, random } = landscape(3)
    let turns = 0
    const turn = async (): Promise<void> => {
      if (++turns > told.length + 3) throw new Error('stopped')
    }
    const fitted = anyOf(random)
    await surrogate({ told, priors, fitted, refit: 'keep', turn })
    turns = 0
    await assert.rejects(surrogate({ told, priors, fitted, refit: 'likelihood', turn }), /stopped/)
  })
})

describe('standardised values', () => {
  it('have mean 0 and variance 1, in the order of the values', () => {
    const values = [1.2, 0.4, 0.9, 1.1, 1.3, 1.05]
    const made = standardised(values)
    near(
      made.reduce((sum, x) => sum + x, 0),
      0,
      'mean',
    )
    near(made.reduce((sum, x) => sum + x * x, 0) / made.length, 1, 'variance')
    const order = (list: readonly number[]): number[] => list.map((_, i) => i).sort((a, b) => list[a]! - list[b]!)
    assert.deepEqual(order(made), order(values))
  })

  it('do not tell how bad the worst is: from three times as far below the best as the median is, all are alike', () => {
    const values = [1, 0.9, 0.8, 0.75, 0.4]
    assert.deepEqual(standardised(values), standardised([1, 0.9, 0.8, 0.75, -100]))
    const [, , , fourth, last] = standardised(values)
    assert.ok(last! < fourth!)
  })

  it('are all 0 where the values are equal', () => {
    assert.deepEqual(standardised([2, 2, 2]), [0, 0, 0])
    assert.deepEqual(standardised([2]), [0])
  })
})
