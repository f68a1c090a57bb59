// A list of points in the order of what they skip, searched from coarse to fine: for strategies that make one best point for each
// amount of skipping, and do not know which amount is right.

import type { Point } from '../space.ts'
import type { Asking } from './strategy.ts'

/** Points asked for before the search closes in on the best of them. */
const coarse = 8

/** Asks for some of the points, evenly spread, then for those beside the best ones, and so in the end for all. */
export async function* alongFrontier(points: readonly Point[]): Asking {
  const values = new Map<number, number>()
  const last = points.length - 1
  const spread = new Set(Array.from({ length: coarse }, (_, i) => Math.round((i * last) / (coarse - 1))))
  let next = [...spread].filter((place) => place >= 0)
  while (next.length > 0) {
    const told = yield next.map((place) => points[place]!)
    next.forEach((place, i) => {
      values.set(place, told[i]!)
    })
    next = closer(values)
  }
}

/** The middles of the gaps on both sides of the best point that has any. */
function closer(values: ReadonlyMap<number, number>): number[] {
  const places = [...values.keys()].sort((a, b) => a - b)
  const gap = (i: number): number[] => {
    const [from, to] = [places[i], places[i + 1]]
    return from === undefined || to === undefined || to - from < 2 ? [] : [Math.round((from + to) / 2)]
  }
  const byValue = places.map((_, i) => i).sort((a, b) => values.get(places[b]!)! - values.get(places[a]!)!)
  for (const i of byValue) {
    const middles = [...gap(i - 1), ...gap(i)]
    if (middles.length > 0) return middles
  }
  return []
}
