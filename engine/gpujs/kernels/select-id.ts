// The id of the highest value of each row, the lowest such id on ties; `[rows, 1]`.

import type { KernelThis, Rows } from './kernel.ts'

export function selectId(this: KernelThis<{ size: number }>, logits: Rows): number {
  let best = 0
  let highest = logits[this.thread.y]![0]!
  for (let i = 0; i < this.constants.size; i++) {
    const logit = logits[this.thread.y]![i]!
    if (logit > highest) {
      highest = logit
      best = i
    }
  }
  return best
}
