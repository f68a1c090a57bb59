// What each sublayer alone is worth and costs, then, for each time to be saved, the set that loses least: a knapsack, filled by
// dynamic programming (Cha et al. 2026, "KnapSpec: Self-Speculative Decoding via Adaptive Layer Selection as a Knapsack Problem";
// Bellman 1957, "Dynamic Programming", chapter 1). There hidden states are followed through the knapsack, too, which clasp.ts
// does; here losses add up.

import type { Inside } from '../objective.ts'
import { flipped, keyOf, type Point } from '../space.ts'
import { alongFrontier } from './frontier.ts'
import { partsOf } from './parts.ts'
import { similarity } from './similarity.ts'
import type { Strategy, StrategyStart } from './strategy.ts'

/** Units in which the costs of all sublayers are counted. */
const units = 1000

export const knapsack: Strategy = {
  name: 'knapsack',
  async *start(about) {
    const losses = about.inside ? await lossesInside(about.inside, about.sublayers) : yield* lossesAsked(about)
    yield* alongFrontier(lightest(losses, about.costs))
  },
}

/** How far each sublayer, skipped alone, turns the last hidden states; where they overflow as far as can be. */
export async function lossesInside(inside: Inside, sublayers: number): Promise<number[]> {
  const full = await inside.states()
  let without: (readonly Float32Array[])[] = []
  for (let sublayer = 0; sublayer < sublayers; sublayer++) {
    const ran = without.length > 0 ? await inside.run(sublayer, without) : []
    without = [...ran, full[sublayer]!]
  }
  return without.map((states) => {
    const loss = 1 - similarity(states, full[sublayers]!)
    return Number.isNaN(loss) ? 2 : Math.max(0, loss)
  })
}

/**
 * Where there is no model to look into: what the best known point loses by each sublayer, the dearest first, in half of the
 * budget. From the empty set, of which one sublayer is no draft worth its time, nothing could be seen.
 */
async function* lossesAsked({
  sublayers,
  costs,
  budget,
  known,
}: StrategyStart): AsyncGenerator<readonly Point[], number[], readonly number[]> {
  const best = known.reduce((a, b) => (b.value > a.value ? b : a))
  const dearest = costs.map((_, i) => i).sort((a, b) => costs[b]! - costs[a]!)
  const asked = dearest.slice(0, Math.max(0, Math.floor(budget / 2)))
  const values = yield asked.map((sublayer) => flipped(best.point, sublayer))
  const worst = Math.max(0, ...values.map((value) => best.value - value))
  const losses = Array.from({ length: sublayers }, (_, i) => (best.point[i] ? 0 : worst))
  asked.forEach((sublayer, i) => {
    const change = values[i]! - best.value
    losses[sublayer] = best.point[sublayer] ? change : -change
  })
  const least = Math.min(0, ...losses)
  return losses.map((loss) => loss - least)
}

/** The sets that lose least of all which save as much time, from none on, by the time that they save. */
export function lightest(losses: readonly number[], costs: readonly number[]): Point[] {
  const weights = partsOf(costs).map((part) => Math.max(1, Math.round(units * part)))
  const most = weights.reduce((sum, weight) => sum + weight, 0)
  const least = new Float64Array(most + 1).fill(Infinity)
  least[0] = 0
  const taken = weights.map((weight, sublayer) => {
    const takes = new Uint8Array(most + 1)
    for (let saved = most; saved >= weight; saved--) {
      const loss = least[saved - weight]! + losses[sublayer]!
      if (loss >= least[saved]!) continue
      least[saved] = loss
      takes[saved] = 1
    }
    return takes
  })

  const points: Point[] = []
  let lost = Infinity
  for (let saved = most; saved >= 0; saved--) {
    if (least[saved]! >= lost) continue
    lost = least[saved]!
    let left = saved
    const skipped = new Array<boolean>(losses.length).fill(false)
    for (let sublayer = losses.length - 1; sublayer >= 0; sublayer--) {
      if (!taken[sublayer]![left]) continue
      skipped[sublayer] = true
      left -= weights[sublayer]!
    }
    points.push(skipped)
  }
  const distinct = new Map(points.map((point) => [keyOf(point), point]))
  return [...distinct.values()].reverse()
}
