// Last step of attention: the mean of the values by their weights, `[rows, heads * headSize]`. Both sums run from position 0
// over those that the row sees, so they do not depend on what else is in the pass.

import type { KernelThis, Rows } from './kernel.ts'

export function attentionMix(
  this: KernelThis<{ heads: number; group: number; headSize: number }>,
  weights: Rows,
  values: Rows,
  start: number,
  window: number,
  positions: number,
): number {
  const head = Math.floor((this.thread.x + 0.5) / this.constants.headSize)
  const place = this.thread.x - head * this.constants.headSize
  const column = Math.floor((head + 0.5) / this.constants.group) * this.constants.headSize + place
  const row = this.thread.y * this.constants.heads + head
  const position = this.thread.y + start
  let sum = 0
  let total = 0
  for (let p = 0; p < positions; p++) {
    if (p <= position && p + window > position) {
      sum += weights[row]![p]! * values[p]![column]!
      total += weights[row]![p]!
    }
  }
  return sum / total
}
