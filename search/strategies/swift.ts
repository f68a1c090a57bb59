// Chance and its neighbourhood in turn: a set by chance, or the best one so far with a little changed (Xia et al. 2024, "SWIFT:
// On-the-Fly Self-Speculative Decoding for LLM Inference Acceleration", section 4.1). It remembers nothing but the best, so it can
// go on while a model generates. There every 25th set is a Bayesian optimiser's, which bayesian.ts is; and all sets skip one share
// of the sublayers, which here goes with the best.

import type { Seeded } from '../../decode/seeded.ts'
import { flipped, keyOf, type Point } from '../space.ts'
import { randomPoint } from './random.ts'
import type { Strategy } from './strategy.ts'

/** Of so many sets one is by chance. */
const chanceEvery = 3

export const swift: Strategy = {
  name: 'swift',
  async *start({ random, known }) {
    const seen = new Set(known.map(({ point }) => keyOf(point)))
    let best = known.reduce((a, b) => (b.value > a.value ? b : a))
    for (let inVain = 0; inVain < 100; ) {
      const point = random.below(chanceEvery) === 0 ? likely(best.point, random) : beside(best.point, random)
      inVain = seen.has(keyOf(point)) ? inVain + 1 : 0
      if (inVain > 0) continue
      seen.add(keyOf(point))
      const [value = 0]: readonly number[] = yield [point]
      if (value > best.value) best = { point, value }
    }
  },
}

/** A set by chance that skips about as much as the best one; any where that skips nothing, or all. */
function likely(best: Point, random: Seeded): Point {
  const share = best.filter((skipped) => skipped).length
  if (share === 0 || share === best.length) return randomPoint(best.length, random)
  return best.map(() => random.below(best.length) < share)
}

/** One sublayer the other way, or one skipped instead of another. */
function beside(best: Point, random: Seeded): Point {
  const one = random.below(best.length)
  if (random.below(2) === 0) return flipped(best, one)
  const others = best.map((_, i) => i).filter((i) => best[i] !== best[one])
  return others.length === 0 ? flipped(best, one) : flipped(best, one, others[random.below(others.length)]!)
}
