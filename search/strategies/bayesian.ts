// Bayesian optimisation: a Gaussian process tells which point is expected to improve most on the best, and learns from its value
// (Zhang et al. 2024, "Draft & Verify: Lossless Large Language Model Acceleration via Self-Speculative Decoding", section 3.2; Jones,
// Schonlau and Welch 1998, "Efficient Global Optimization of Expensive Black-Box Functions", Journal of Global Optimization 13).
// The kernel is one for sets (surrogate.ts), no point is asked for twice, and points are looked for within a distance of the best
// ones that grows with success and shrinks without (Wan et al. 2021, "Think Global and Act Local: Bayesian Optimisation over
// High-Dimensional Categorical and Mixed Search Spaces").

import type { Seeded } from '../../decode/seeded.ts'
import type { Turn } from '../../engine/turn.ts'
import { flipped, keyOf, type Point } from '../space.ts'
import { nearest } from './clasp.ts'
import { lightest, lossesInside } from './knapsack.ts'
import { partsOf } from './parts.ts'
import { randomPoint } from './random.ts'
import type { Strategy, StrategyStart, Told } from './strategy.ts'
import { type Priors, type Surrogate, surrogate, unfitted } from './surrogate.ts'

/** Found by trial on made-up landscapes and on one model's. */
const tune = {
  /** Sets taken of each list that hidden states give. */
  design: 4,
  /** Part of the remaining budget for single sublayers around the best point. */
  flips: 0.4,
  /** Of the best points, and of points by chance, how many are climbed from. */
  starts: 4,
  rand: 1,
  /** Of the moves at each step, how many swaps there are, and how many moves are looked at closely. */
  swaps: 24,
  screen: 12,
  /** The first radius, as a part of all sublayers, and failures after which it shrinks. */
  radius: 0.5,
  patience: 4,
}

export const bayesian: Strategy = {
  name: 'bayesian',
  async *start(about) {
    const { sublayers, random, turn = async () => {} } = about
    const told: Told[] = [...about.known]
    const seen = new Set(told.map(({ point }) => keyOf(point)))
    const isNew = (point: Point): boolean => !seen.has(keyOf(point))
    const losses = about.inside ? await lossesInside(about.inside, sublayers) : about.costs.map(() => 0)
    const priors: Priors = { saves: partsOf(about.costs), loses: partsOf(losses) }

    for (const design of [await designOf(about, losses), () => around(told, about)]) {
      const points = (typeof design === 'function' ? design() : design).filter(isNew)
      if (points.length === 0) continue
      const values: readonly number[] = yield points
      points.forEach((point, i) => {
        seen.add(keyOf(point))
        told.push({ point, value: values[i]! })
      })
    }

    let fitted = unfitted
    let fittedAt = 0
    let radius = Math.max(2, Math.round(tune.radius * sublayers))
    let failures = 0
    for (;;) {
      const refit = told.length > 1.08 * fittedAt ? 'likelihood' : 'keep'
      if (refit === 'likelihood') fittedAt = told.length
      const model = await surrogate({ told, priors, fitted, refit, turn })
      fitted = model.fitted
      const bestFirst = told.toSorted((a, b) => b.value - a.value)
      const starts = bestFirst.slice(0, tune.starts).map(({ point }) => point)
      const point = await mostPromising({ starts, model, radius, random, isNew, sublayers, turn })
      if (!point) {
        if (radius >= sublayers) return
        radius = Math.min(sublayers, 2 * radius)
        continue
      }
      seen.add(keyOf(point))
      const [value = 0]: readonly number[] = yield [point]
      told.push({ point, value })
      failures = value > bestFirst[0]!.value ? 0 : failures + 1
      if (failures === 0) radius = Math.min(sublayers, Math.ceil(1.5 * radius))
      else if (failures % tune.patience === 0) radius = Math.max(2, Math.round(radius / 1.5))
    }
  },
}

/** Where there is a model to look into: some of the sets of knapsack.ts and of clasp.ts, evenly spread. */
async function designOf({ inside, sublayers, costs }: StrategyStart, losses: readonly number[]): Promise<Point[]> {
  if (!inside) return []
  const lists = [lightest(losses, costs), await nearest(inside, sublayers)]
  const points = lists.flatMap((list) =>
    Array.from({ length: tune.design }, (_, i) => list[Math.round(((i + 1) * (list.length - 1)) / (tune.design + 1))]!),
  )
  return [...new Map(points.map((point) => [keyOf(point), point])).values()]
}

/** The best point with one sublayer the other way, the dearest first, for a part of what is left of the budget. */
function around(told: readonly Told[], { costs, budget }: StrategyStart): Point[] {
  const best = told.reduce((a, b) => (b.value > a.value ? b : a))
  const dearest = costs.map((_, i) => i).sort((a, b) => costs[b]! - costs[a]!)
  const count = Math.max(0, Math.round(tune.flips * (budget - told.length)))
  return dearest.slice(0, count).map((sublayer) => flipped(best.point, sublayer))
}

interface Search {
  readonly starts: readonly Point[]
  readonly model: Surrogate
  readonly radius: number
  readonly random: Seeded
  readonly isNew: (point: Point) => boolean
  readonly sublayers: number
  readonly turn: Turn
}

/** The new point of most expected improvement that is found by climbing from the best points, and from some by chance. */
async function mostPromising(search: Search): Promise<Point | undefined> {
  const { starts, random, radius, sublayers } = search
  const chance = Array.from({ length: tune.rand }, () => randomPoint(sublayers, random))
  let best: Found | undefined
  for (const start of [...starts, ...(radius >= sublayers / 3 ? chance : [])]) {
    const end = await climb(start, search)
    if (end && (!best || end.improvement > best.improvement)) best = end
  }
  return best?.point
}

interface Found {
  readonly point: Point
  readonly improvement: number
}

async function climb(start: Point, { model, radius, random, isNew, turn }: Search): Promise<Found | undefined> {
  let from = start
  let best: Found | undefined
  for (let step = 0; step < radius; step++) {
    await turn()
    const place = model.place(from)
    const likely = movesOf(from, random)
      .map((flips) => ({ flips, mean: model.mean(model.beside(place, from, flips)) }))
      .sort((a, b) => b.mean - a.mean)
    const looked = [
      ...likely.slice(0, tune.screen),
      ...Array.from({ length: 4 }, () => likely[random.below(likely.length)]!),
    ]
    let next: Found | undefined
    for (const { flips } of looked) {
      const point = flipped(from, ...flips)
      if (!isNew(point)) continue
      const improvement = model.improvement(model.beside(place, from, flips))
      if (!next || improvement > next.improvement) next = { point, improvement }
    }
    if (!next || (best && next.improvement <= best.improvement)) break
    best = next
    from = next.point
  }
  return best
}

/** All flips of one sublayer, and some swaps of two. */
function movesOf(point: Point, random: Seeded): number[][] {
  const all = point.map((_, i) => i)
  const [on, off] = [all.filter((i) => point[i]), all.filter((i) => !point[i])]
  const swaps = on.length > 0 && off.length > 0 ? tune.swaps : 0
  return [
    ...all.map((i) => [i]),
    ...Array.from({ length: swaps }, () => [on[random.below(on.length)]!, off[random.below(off.length)]!]),
  ]
}
