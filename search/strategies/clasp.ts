// For each number of sublayers the set whose hidden states stay nearest to the full model's, by dynamic programming (Chen et al.
// 2025, "CLaSp: In-Context Layer Skip for Self-Speculative Decoding", section 3). There it is done over layers, for a number given
// beforehand and again after each round; here over sublayers, for all numbers, of which the objective says the best.

import type { Inside } from '../objective.ts'
import type { Point } from '../space.ts'
import { alongFrontier } from './frontier.ts'
import { similarity } from './similarity.ts'
import type { Strategy } from './strategy.ts'

/** Ends at once where there is no model to look into, and after `sublayers + 1` points where there is. */
export const clasp: Strategy = {
  name: 'clasp',
  async *start({ sublayers, inside }) {
    if (inside) yield* alongFrontier(await nearest(inside, sublayers))
  },
}

/** A way through the sublayers so far: what it skipped, and where its samples are. */
interface Path {
  readonly skipped: Point
  readonly states: readonly Float32Array[]
}

/** `[n]`: of the paths that skip n sublayers the one that, step by step, kept nearest to the full model. */
export async function nearest(inside: Inside, sublayers: number): Promise<Point[]> {
  const full = await inside.states()
  let paths: Path[] = [{ skipped: [], states: full[0]! }]
  for (let sublayer = 0; sublayer < sublayers; sublayer++) {
    const after = full[sublayer + 1]!
    const ran = await inside.run(
      sublayer,
      paths.map(({ states }) => states),
    )
    const running = paths.map(({ skipped }, n) => ({ skipped: [...skipped, false], states: ran[n]! }))
    const skipping = paths.map(({ skipped, states }) => ({ skipped: [...skipped, true], states }))
    paths = Array.from({ length: paths.length + 1 }, (_, n) => {
      const [run, skip] = [running[n], skipping[n - 1]]
      if (!run || !skip) return (run ?? skip)!
      return similarity(skip.states, after) > similarity(run.states, after) ? skip : run
    })
  }
  return paths.map(({ skipped }) => skipped)
}
