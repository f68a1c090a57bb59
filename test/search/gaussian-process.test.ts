// Gaussian-process regression against scikit-learn, and its parts where they can be said beforehand.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  expectedImprovement,
  gaussianProcess,
  matern52,
  normalDistribution,
  rbf,
} from '../../search/gaussian-process.ts'
import { golden } from '../golden.ts'

interface Case {
  kernel: 'rbf' | 'matern52'
  lengthScale: number
  variance: number
  noise: number
  X: number[][]
  y: number[]
  query: number[][]
  mean: number[]
  standardDeviation: number[]
  expectedImprovement: number[]
  logMarginalLikelihood: number
}

const cases: Case[] = JSON.parse(readFileSync(join(import.meta.dirname, '../oracles/gp.json'), 'utf8'))
const squaredDistance = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0)
const near = (actual: number, expected: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) <= 1e-6, `${what}: ${actual}, expected ${expected}`)

describe('Gaussian process', () => {
  for (const [i, known] of cases.entries()) {
    const { kernel, lengthScale, variance, noise, X, y, query } = known
    it(`agrees with scikit-learn: ${kernel}, ${X.length} points of ${X[0]!.length} variables (case ${i})`, () => {
      const covarianceOf = { rbf, matern52 }[kernel]({ lengthScale, variance })
      const between = (point: number[]): number[] => X.map((x) => covarianceOf(squaredDistance(point, x)))
      const process = gaussianProcess({ covariance: X.map(between), values: y, noise })
      near(process.logMarginalLikelihood, known.logMarginalLikelihood, 'log marginal likelihood')
      query.forEach((point, q) => {
        const belief = process.at(between(point), variance)
        near(belief.mean, known.mean[q]!, `mean ${q}`)
        near(process.mean(between(point)), known.mean[q]!, `mean alone ${q}`)
        near(belief.standardDeviation, known.standardDeviation[q]!, `standard deviation ${q}`)
        const best = Math.max(...y)
        near(expectedImprovement(belief, best), known.expectedImprovement[q]!, `expected improvement ${q}`)
      })
      golden()
    })
  }

  it('goes through its values where there is no noise, and is sure of them', () => {
    const kernel = rbf({ variance: 1, lengthScale: 1 })
    const covariance = [0, 1, 2].map((a) => [0, 1, 2].map((b) => kernel((a - b) ** 2)))
    const values = [0.5, -1, 2]
    const process = gaussianProcess({ covariance, values, noise: 0 })
    values.forEach((value, i) => {
      const { mean, standardDeviation } = process.at(covariance[i]!, 1)
      near(mean, value, 'mean')
      near(standardDeviation, 0, 'standard deviation')
    })
  })

  it('knows the scale at which its values are likeliest', () => {
    const kernel = rbf({ variance: 1, lengthScale: 1 })
    const values = [3, -1, 2]
    const likelihood = (scale: number): number => {
      const covariance = [0, 1, 2].map((a) => [0, 1, 2].map((b) => scale * kernel((a - b) ** 2)))
      return gaussianProcess({ covariance, values, noise: scale * 0.1 }).logMarginalLikelihood
    }
    const covariance = [0, 1, 2].map((a) => [0, 1, 2].map((b) => kernel((a - b) ** 2)))
    const { factor, logMarginalLikelihood } = gaussianProcess({ covariance, values, noise: 0.1 }).bestScale
    near(logMarginalLikelihood, likelihood(factor), 'likelihood at that scale')
    for (const other of [0.5, 0.99, 1.01, 2]) assert.ok(likelihood(factor * other) < logMarginalLikelihood)
  })

  it('refuses covariances that are none', () => {
    const alike = { covariance: [[1], [1, 1]], values: [1, 2], noise: 0 }
    assert.throws(() => gaussianProcess(alike), /2 points is not positive/)
  })
})

describe('expected improvement', () => {
  it('is what exceeds the best where all is known, and nothing where that is nothing', () => {
    assert.equal(expectedImprovement({ mean: 3, standardDeviation: 0 }, 2), 1)
    assert.equal(expectedImprovement({ mean: 1, standardDeviation: 0 }, 2), 0)
  })

  it('is never below 0, however far the best is away', () => {
    for (let mean = -40; mean <= 0; mean += 0.5) assert.ok(expectedImprovement({ mean, standardDeviation: 1 }, 0) >= 0)
  })
})

describe('normal distribution', () => {
  it('has the values of tables (Abramowitz and Stegun 1964, table 26.1)', () => {
    near(normalDistribution(0), 0.5, '0')
    near(normalDistribution(1), 0.841344746068543, '1')
    near(normalDistribution(-2.5), 0.006209665325776, '-2.5')
    assert.ok(Math.abs(normalDistribution(-5) / 2.866515718791939e-7 - 1) < 1e-12)
    near(normalDistribution(2.9999999), normalDistribution(3.0000001), 'about 3')
  })
})
