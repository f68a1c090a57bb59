// `[rows, 2]`: the logit of each row's id, and the logarithm of the sum of the exponentials of its logits.

import type { KernelThis, Rows } from './kernel.ts'

export function selectScores(this: KernelThis<{ size: number }>, logits: Rows, ids: Rows): number {
  if (this.thread.x < 1) {
    return logits[this.thread.y]![ids[this.thread.y]![0]!]!
  }
  let highest = logits[this.thread.y]![0]!
  for (let i = 0; i < this.constants.size; i++) {
    const logit = logits[this.thread.y]![i]!
    if (logit > highest) {
      highest = logit
    }
  }
  let sum = 0
  // What is no number is not at most the highest either. The exponential of some GPUs would make a number of it.
  let wrong = 0
  for (let j = 0; j < this.constants.size; j++) {
    const value = logits[this.thread.y]![j]!
    if (value <= highest) {
      sum += Math.exp(value - highest)
    } else {
      wrong = value
    }
  }
  return Math.log(sum) + highest + wrong
}
