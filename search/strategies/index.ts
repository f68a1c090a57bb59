// The strategies by name, and the points that all of them start from.

import { exits, type Point } from '../space.ts'
import { bayesian } from './bayesian.ts'
import { clasp } from './clasp.ts'
import { greedy } from './greedy.ts'
import { knapsack } from './knapsack.ts'
import { random } from './random.ts'
import type { Strategy } from './strategy.ts'
import { swift } from './swift.ts'

export const strategies: readonly Strategy[] = [bayesian, random, greedy, clasp, swift, knapsack]

/** Beyond so many, what lies between exits is found faster by the strategies. */
const mostExits = 24

/** The empty set, which is plain decoding, then early exits: a third of the budget at most. */
export function initialPoints(sublayers: number, budget: number): Point[] {
  const nothing = Array.from({ length: sublayers }, () => false)
  return [nothing, ...exits(sublayers, Math.min(mostExits, Math.max(0, Math.floor(budget / 3) - 1)))]
}
