// Which sublayers to skip: the space, the objective, and what finds its way in it.

export type { Evaluation, Inside, Objective } from './objective.ts'
export { distance, exits, flipped, keyOf, type Point, pointOf, pointOfSkip, skipOf } from './space.ts'
export type { Asking, Strategy, StrategyStart, Told } from './strategies/strategy.ts'
