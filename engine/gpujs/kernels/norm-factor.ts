// First half of root mean square normalisation: `1 / sqrt(mean(x^2) + epsilon)` of each run, `[rows, runs]`.

import type { KernelThis, Rows } from './kernel.ts'

export function normFactor(this: KernelThis<{ size: number }>, x: Rows, epsilon: number): number {
  let squares = 0
  for (let i = 0; i < this.constants.size; i++) {
    const value = x[this.thread.y]![this.thread.x * this.constants.size + i]!
    squares += value * value
  }
  return 1 / Math.sqrt(squares / this.constants.size + epsilon)
}
