// What a search believes of the points that it has not asked for: a Gaussian process over skip sets, its kernel fit to the values
// told so far.

import type { Turn } from '../../engine/turn.ts'
import { type Belief, expectedImprovement, type GaussianProcess, gaussianProcess } from '../gaussian-process.ts'
import type { Point } from '../space.ts'
import type { Told } from './strategy.ts'

/** What is known of each sublayer before anything was asked, each list adding up to 1 or all 0. */
export interface Priors {
  /** Its part of the time of all. */
  readonly saves: readonly number[]
  /** Its part of what hidden states lose, were each skipped alone. */
  readonly loses: readonly number[]
}

/**
 * The covariance of the values at two sets, all in units of one scale: `1 + linear * (1 - 2h) + exp(-h / length) + sums * exp(-f^2 /
 * (2 * reach^2))`. h is the share of sublayers in which they differ: the second term lets each sublayer add its part
 * (Baptista and Poloczek 2018, "Bayesian Optimization of Combinatorial Structures", has pairs as well), the third any of them
 * interact (the exponential of the Hamming distance: Kondor and Lafferty 2002, "Diffusion kernels on graphs and other discrete
 * input spaces", for the hypercube). f is the distance of the sets' sums of {@link Priors}: what saves as much time and loses as much
 * is worth about as much, whichever sublayers it skips.
 */
export interface Shape {
  readonly linear: number
  readonly length: number
  readonly sums: number
  readonly reach: number
  /** Variance of what no kernel explains. */
  readonly noise: number
}

/** Values are never uncertain, and sublayers always have parts: with more noise or none of those a rough objective looks like chance. */
const choices: { readonly [Name in keyof Shape]: readonly number[] } = {
  linear: [1, 2, 3, 6, 10],
  length: [0.1, 0.2, 0.3, 0.4, 0.6],
  sums: [0, 0.3, 1, 3, 10],
  reach: [0.04, 0.08, 0.16, 0.32, 0.64],
  noise: [1e-6, 1e-5, 1e-4, 1e-3],
}
const names: readonly (keyof Shape)[] = ['linear', 'sums', 'reach', 'length', 'noise']

/** Which of the {@link choices} was found best. */
export type Fitted = { readonly [Name in keyof Shape]: number }

export const shapeOf = (at: Fitted): Shape => ({
  linear: choices.linear[at.linear]!,
  length: choices.length[at.length]!,
  sums: choices.sums[at.sums]!,
  reach: choices.reach[at.reach]!,
  noise: choices.noise[at.noise]!,
})

export const unfitted: Fitted = { linear: 2, sums: 2, reach: 2, length: 3, noise: 2 }

/** Where a set is, as the kernel sees it. */
export interface Place {
  /** In how many sublayers it differs from each known one, `[points]`. */
  readonly differing: Int16Array
  readonly saved: number
  readonly lost: number
}

export interface Surrogate {
  readonly fitted: Fitted
  place(point: Point): Place
  /** The place of the same set with these sublayers the other way; valid until the next call. */
  beside(place: Place, point: Point, flips: readonly number[]): Place
  /** Of the value, in units of the surrogate. */
  mean(place: Place): number
  /** By how much the best value known is expected to be exceeded, in units of the surrogate. */
  improvement(place: Place): number
}

export interface SurrogateOptions {
  readonly told: readonly Told[]
  readonly priors: Priors
  /** Where to begin with the kernel, and whether to look for a better one. */
  readonly fitted: Fitted
  readonly refit: 'likelihood' | 'keep'
  /** Taken about each kernel that is tried. */
  readonly turn?: Turn | undefined
}

/** Fits a process to the values. */
export async function surrogate({ told, priors, fitted, refit, turn }: SurrogateOptions): Promise<Surrogate> {
  const points = told.map(({ point }) => point)
  const sublayers = points[0]!.length
  const values = standardised(told.map(({ value }) => value))
  const best = Math.max(...values)

  const sum = (point: Point, parts: readonly number[]): number =>
    parts.reduce((all, part, i) => (point[i] ? all + part : all), 0)
  const digits = points.map(digitsOf)
  function place(point: Point): Place {
    const own = digitsOf(point)
    const differing = Int16Array.from(digits, (other) => {
      let count = 0
      for (let i = 0; i < sublayers; i++) count += own[i]! ^ other[i]!
      return count
    })
    return { differing, saved: sum(point, priors.saves), lost: sum(point, priors.loses) }
  }
  const places: Place[] = []
  for (const point of points) {
    await turn?.()
    places.push(place(point))
  }
  await turn?.()

  function covariances(shape: Shape): (place: Place, out: Float64Array) => Float64Array {
    const { linear, length, sums, reach } = shape
    const byHamming = Float64Array.from({ length: sublayers + 1 }, (_, count) => {
      const share = count / sublayers
      return 1 + linear * (1 - 2 * share) + Math.exp(-share / length)
    })
    return ({ differing, saved, lost }, out) => {
      for (let j = 0; j < places.length; j++) {
        const there = places[j]!
        const [x, y] = [saved - there.saved, lost - there.lost]
        out[j] = byHamming[differing[j]!]! + sums * Math.exp(-(x * x + y * y) / (2 * reach * reach))
      }
      return out
    }
  }

  function processOf(at: Fitted): GaussianProcess {
    const shape = shapeOf(at)
    const covariance = covariances(shape)
    return gaussianProcess({
      covariance: places.map((from) => covariance(from, new Float64Array(places.length))),
      values,
      noise: shape.noise,
    })
  }

  let chosen = { at: fitted, process: processOf(fitted) }
  const tried = new Set<string>()
  for (let pass = 0; refit === 'likelihood' && pass < 2; pass++) {
    for (const name of names) {
      for (const step of [1, -1]) {
        for (;;) {
          const at = { ...chosen.at, [name]: chosen.at[name] + step }
          const key = Object.values(at).join()
          if (choices[name][at[name]] === undefined || tried.has(key)) break
          tried.add(key)
          await turn?.()
          const process = processOf(at)
          if (likelihood(process) <= likelihood(chosen.process)) break
          chosen = { at, process }
        }
      }
    }
  }

  await turn?.()
  const shape = shapeOf(chosen.at)
  const covariance = covariances(shape)
  const variance = 2 + shape.linear + shape.sums
  const scale = Math.sqrt(chosen.process.bestScale.factor)
  const between = new Float64Array(places.length)
  const moved = new Int16Array(places.length)
  return {
    fitted: chosen.at,
    place,
    beside(from, point, flips) {
      moved.set(from.differing)
      let { saved, lost } = from
      for (const i of flips) {
        const was = point[i]
        const sign = was ? -1 : 1
        saved += sign * priors.saves[i]!
        lost += sign * priors.loses[i]!
        for (let j = 0; j < points.length; j++) moved[j]! += points[j]![i] === was ? 1 : -1
      }
      return { differing: moved, saved, lost }
    },
    mean: (at) => chosen.process.mean(covariance(at, between)),
    improvement(at) {
      const { mean, standardDeviation }: Belief = chosen.process.at(covariance(at, between), variance)
      return expectedImprovement({ mean, standardDeviation: standardDeviation * scale }, best)
    },
  }
}

/** Typed arrays of digits are compared several times faster than points. */
const digitsOf = (point: Point): Uint8Array => Uint8Array.from(point, Number)

const likelihood = ({ bestScale }: GaussianProcess): number => bestScale.logMarginalLikelihood

/** With mean 0 and variance 1, or all 0 where they are equal. How bad the worst are is of no use: below the median they count as not much worse than that. */
export function standardised(values: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b)
  const [median, best] = [sorted[sorted.length >> 1]!, sorted.at(-1)!]
  const raised = values.map((value) => Math.max(value, best - 3 * (best - median)))
  const mean = raised.reduce((sum, value) => sum + value, 0) / values.length
  const deviation = Math.sqrt(raised.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
  return raised.map((value) => (value - mean) / (deviation || 1))
}
