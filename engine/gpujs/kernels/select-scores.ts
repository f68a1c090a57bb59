// Last step of select, `[rows, 2]`: the logit of each row's id, and the logarithm of the sum of the exponentials of its logits.

import type { KernelThis, Rows } from './kernel.ts'

export function selectScores(
  this: KernelThis<{ blocks: number }>,
  logits: Rows,
  ids: Rows,
  highest: Rows,
  sums: Rows,
): number {
  if (this.thread.x < 1) {
    return logits[this.thread.y]![ids[this.thread.y]![0]!]!
  }
  let sum = 0
  for (let i = 0; i < this.constants.blocks; i++) {
    sum += sums[this.thread.y]![i]!
  }
  if (sum >= 0) {
    return Math.log(sum) + logits[this.thread.y]![highest[this.thread.y]![0]!]!
  }
  return sum
}
