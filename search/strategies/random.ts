// Points by chance: what every other strategy has to be better than (Bergstra and Bengio 2012, "Random search for
// hyper-parameter optimization", Journal of Machine Learning Research 13).

import type { Seeded } from '../../decode/seeded.ts'
import { keyOf, type Point } from '../space.ts'
import type { Strategy } from './strategy.ts'

/** So many at once: enough for workers to share. */
const together = 8

export const random: Strategy = {
  name: 'random',
  async *start({ sublayers, known, random }) {
    const seen = new Set(known.map(({ point }) => keyOf(point)))
    for (let inVain = 0; inVain < 100; ) {
      const points: Point[] = []
      while (points.length < together && inVain < 100) {
        const point = randomPoint(sublayers, random)
        inVain = seen.has(keyOf(point)) ? inVain + 1 : 0
        if (inVain > 0) continue
        seen.add(keyOf(point))
        points.push(point)
      }
      if (points.length > 0) yield points
    }
  },
}

/** As many skipped sublayers as any other number of them: a coin for each would skip half of them nearly always. */
export function randomPoint(sublayers: number, random: Seeded): Point {
  const skipped = new Set(
    random.shuffled(Array.from({ length: sublayers }, (_, i) => i)).slice(0, random.below(sublayers + 1)),
  )
  return Array.from({ length: sublayers }, (_, i) => skipped.has(i))
}
