// The length that gives most for its time.

import type { Yield } from './pace.ts'

export interface Judgement extends Yield {
  readonly length: number
}

/** Of the lengths from 1 to `most`, at least 1, that of the highest speed-up: the shortest of those alike. */
export function bestLength(most: number, expect: (length: number) => Yield): Judgement {
  let best: Judgement = { length: 1, ...expect(1) }
  for (let length = 2; length <= most; length++) {
    const found = expect(length)
    if (found.tokens * best.ratio > best.tokens * found.ratio) best = { length, ...found }
  }
  return best
}
