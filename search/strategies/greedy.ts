// Forward and backward selection in turn: skip one more sublayer, or run one again, whatever is better at once (Whitney 1971, "A
// direct method of nonparametric measurement selection"; Marill and Green 1963, "On the effectiveness of receptors in recognition
// systems"; in turn, as the floating search of Pudil, Novovicova and Kittler 1994). A step is taken as soon as it is better, not
// after all others were tried: so a budget of few evaluations a sublayer is enough to reach an end.

import { flipped, keyOf, type Point } from '../space.ts'
import type { Strategy, Told } from './strategy.ts'

export const greedy: Strategy = {
  name: 'greedy',
  async *start({ sublayers, costs, known }) {
    const seen = new Map(known.map(({ point, value }) => [keyOf(point), value]))
    const dearest = Array.from({ length: sublayers }, (_, i) => i).sort((a, b) => costs[b]! - costs[a]!)

    /** From a point until no single sublayer makes it better. */
    async function* climb(from: Told): AsyncGenerator<readonly Point[], void, readonly number[]> {
      let { point, value } = from
      for (let stepped = true; stepped; ) {
        stepped = false
        for (const forward of [true, false]) {
          for (const sublayer of forward ? dearest : dearest.toReversed()) {
            if (point[sublayer] === forward) continue
            const next = flipped(point, sublayer)
            let there = seen.get(keyOf(next))
            if (there === undefined) {
              ;[there = 0] = yield [next]
              seen.set(keyOf(next), there)
            }
            if (there > value) {
              ;[point, value] = [next, there]
              stepped = true
            }
          }
        }
      }
    }

    for (const from of known.toSorted((a, b) => b.value - a.value)) yield* climb(from)
  },
}
