// Gaussian-process regression without approximations: the posterior of a function from some of its values (Rasmussen and
// Williams 2006, algorithm 2.1), and how much a further value can be expected to improve on the best (Jones, Schonlau and Welch
// 1998, eq. 15).

import { CholeskyDecomposition, Matrix } from 'ml-matrix'
import { ArgumentError } from '../engine/errors.ts'

/** The covariance of the values at two points, from the square of their distance: for binary points, in how many digits they differ. */
export type Kernel = (squaredDistance: number) => number

export interface KernelScale {
  /** Of the covariance at distance 0. */
  readonly variance: number
  /** In units of the distance, not of its square. */
  readonly lengthScale: number
}

/** `variance * exp(-d^2 / (2 * lengthScale^2))`. */
export function rbf({ variance, lengthScale }: KernelScale): Kernel {
  return (squared) => variance * Math.exp(-squared / (2 * lengthScale ** 2))
}

/** Matérn's with smoothness 5/2 (Rasmussen and Williams 2006, eq. 4.17). */
export function matern52({ variance, lengthScale }: KernelScale): Kernel {
  return (squared) => {
    const r = Math.sqrt(5 * squared) / lengthScale
    return variance * (1 + r + (r * r) / 3) * Math.exp(-r)
  }
}

export interface Observed {
  /** `covariance[i][j]` of the values at points i and j, for j up to i at least, `[points, points]`. */
  readonly covariance: readonly ArrayLike<number>[]
  /** `[points]`. The process has mean 0: subtract another one before. */
  readonly values: readonly number[]
  /** Variance of what is seen about what is; with 0 the posterior goes through the values. */
  readonly noise: number
}

/** What is believed of the value at a point. */
export interface Belief {
  readonly mean: number
  readonly standardDeviation: number
}

export interface GaussianProcess {
  /** Of the values, given covariance and noise: what hyperparameters are chosen by. */
  readonly logMarginalLikelihood: number
  /**
   * The factor by which covariance and noise had to be multiplied for the likelihood to be greatest, and the likelihood then. Means
   * stay as they are, standard deviations grow by its square root.
   */
  readonly bestScale: { readonly factor: number; readonly logMarginalLikelihood: number }
  /** From a point's covariances with the observed ones, `[points]`. */
  mean(between: ArrayLike<number>): number
  /** From a point's covariances with the observed ones, `[points]`, and its variance. */
  at(between: ArrayLike<number>, variance: number): Belief
}

/** Throws {@link ArgumentError} where the covariances are none: points too alike for so little noise. */
export function gaussianProcess({ covariance, values, noise }: Observed): GaussianProcess {
  const count = values.length
  const matrix = new Matrix(count, count)
  for (let i = 0; i < count; i++) {
    for (let j = 0; j <= i; j++) {
      const both = covariance[i]![j]! + (i === j ? noise : 0)
      matrix.set(i, j, both)
      matrix.set(j, i, both)
    }
  }
  const cholesky = new CholeskyDecomposition(matrix)
  if (!cholesky.isPositiveDefinite()) {
    throw new ArgumentError(
      `the covariance of ${count} points is not positive definite at a noise of ${noise}; raise it`,
    )
  }
  const alpha = Float64Array.from(cholesky.solve(Matrix.columnVector([...values])).getColumn(0))
  const lower = Array.from({ length: count }, (_, i) => Float64Array.from(cholesky.lowerTriangularMatrix.getRow(i)))
  const weighed = values.reduce((sum, value, i) => sum + value * alpha[i]!, 0)
  const logDeterminant = 2 * lower.reduce((sum, row, i) => sum + Math.log(row[i]!), 0)
  const factor = weighed / count
  const likelihood = (scale: number): number =>
    -0.5 * (weighed / scale + logDeterminant + count * Math.log(2 * Math.PI * scale))
  const solved = new Float64Array(count)

  function mean(between: ArrayLike<number>): number {
    let sum = 0
    for (let i = 0; i < count; i++) sum += between[i]! * alpha[i]!
    return sum
  }

  return {
    logMarginalLikelihood: likelihood(1),
    bestScale: { factor, logMarginalLikelihood: likelihood(factor) },
    mean,
    at(between, variance) {
      let explained = 0
      for (let i = 0; i < count; i++) {
        const row = lower[i]!
        let left = between[i]!
        for (let j = 0; j < i; j++) left -= row[j]! * solved[j]!
        solved[i] = left / row[i]!
        explained += solved[i]! ** 2
      }
      return { mean: mean(between), standardDeviation: Math.sqrt(Math.max(0, variance - explained)) }
    },
  }
}

/** By how much the value at a point is expected to exceed the best one, where less counts as 0. */
export function expectedImprovement({ mean, standardDeviation }: Belief, best: number): number {
  const gain = mean - best
  if (standardDeviation === 0) return Math.max(0, gain)
  const z = gain / standardDeviation
  return Math.max(
    0,
    gain * normalDistribution(z) + (standardDeviation * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI),
  )
}

/** The standard normal distribution function, by the series of the error function and, far out, its continued fraction. */
export function normalDistribution(z: number): number {
  const x = Math.abs(z)
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)
  let tail: number
  if (x < 3) {
    let [term, sum] = [x, x]
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= (x * x) / (2 * n + 1)
      sum += term
    }
    tail = 0.5 - density * sum
  } else {
    let fraction = x
    for (let n = 60; n > 0; n--) fraction = x + n / fraction
    tail = density / fraction
  }
  return z > 0 ? 1 - tail : tail
}
