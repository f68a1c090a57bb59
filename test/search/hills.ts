// A made-up objective whose every evaluation is counted, and a strategy whose way depends on all that it was told.

import type { JournalHeader } from '../../search/journal.ts'
import type { Evaluation, Objective } from '../../search/objective.ts'
import { flipped, keyOf, type Point } from '../../search/space.ts'
import type { Strategy } from '../../search/strategies/strategy.ts'

export interface Hills extends Objective {
  /** Keys of the points that were evaluated, in their order. */
  readonly evaluated: readonly string[]
}

/** Speed-ups between 0.5 and 2, as rugged as a hash; all figures have many digits. */
export function hills(sublayers = 8): Hills {
  const evaluated: string[] = []
  const worth = (point: Point): Evaluation => {
    const key = keyOf(point)
    let hash = 17
    for (const digit of key) hash = (hash * 31 + digit.charCodeAt(0)) % 9973
    const skipped = point.filter(Boolean).length / sublayers
    const survival = [0.9, 0.7, 1 / 3].map((share) => share * (1 - skipped / 3))
    return {
      speedup: 0.5 + (1.5 * hash) / 9973,
      draftLength: hash % 4,
      drafted: 0.25 + (1.5 * hash) / 9973,
      survival,
      draft: 1 - skipped,
    }
  }
  return {
    sublayers,
    id: 'hills',
    costs: new Array<number>(sublayers).fill(1 / sublayers),
    evaluated,
    async evaluate(points) {
      evaluated.push(...points.map(keyOf))
      return points.map(worth)
    },
  }
}

/** The header of a journal over it. */
export function headerOver({ sublayers, id, costs }: Objective): JournalHeader {
  return {
    format: 'drafthorse/search@1',
    model: 'häns',
    modelId: 'a1b2',
    backend: 'reference',
    dtype: 'f32',
    threads: 1,
    sublayers,
    objective: id,
    costs,
    around: 0.125,
    verify: [1, 1.25, 1.5, 1.75],
    draftLengths: 3,
    prompts: { count: 2, tokens: 10 },
    version: '0.0.0',
    date: '2026-01-01T00:00:00.000Z',
  }
}

/** Asks for neighbours of the best point, one to three at a time, and now and then again for what it knows. */
export function climber(name = 'climber'): Strategy {
  return {
    name,
    async *start({ sublayers, known, random }) {
      let best = known[0]!
      for (const told of known) if (told.value > best.value) best = told
      for (;;) {
        const asked: Point[] = Array.from({ length: 1 + random.below(3) }, () =>
          flipped(best.point, random.below(sublayers), random.below(sublayers)),
        )
        const values = yield asked
        for (const [i, point] of asked.entries()) if (values[i]! > best.value) best = { point, value: values[i]! }
      }
    },
  }
}
