// Second half of root mean square normalisation: each value times the factor of its run and the weight of its place.

import type { KernelThis, Rows } from './kernel.ts'

export function normScale(this: KernelThis<{ size: number }>, x: Rows, factors: Rows, weight: Rows): number {
  const run = Math.floor((this.thread.x + 0.5) / this.constants.size)
  const place = this.thread.x - run * this.constants.size
  return x[this.thread.y]![this.thread.x]! * factors[this.thread.y]![run]! * weight[0]![place]!
}
