// Third step of select: of each block the sum of the exponentials of its logits, less the highest of the row; `[rows, blocks]`.

import type { KernelThis, Rows } from './kernel.ts'

export function selectSum(this: KernelThis<{ size: number; block: number }>, logits: Rows, highest: Rows): number {
  const id = highest[this.thread.y]![0]!
  const largest = logits[this.thread.y]![id]!
  let sum = 0
  for (let i = 0; i < this.constants.block; i++) {
    const at = this.thread.x * this.constants.block + i
    if (at < this.constants.size) {
      if (logits[this.thread.y]![at]! < largest) {
        sum += Math.exp(logits[this.thread.y]![at]! - largest)
      } else if (logits[this.thread.y]![at]! === largest) {
        // Where both are minus infinity, their difference would be no number.
        sum += 1
      } else {
        // Only what is no number is not at most the highest, and it remains none. Some GPUs' exponential would give one.
        sum += logits[this.thread.y]![at]!
      }
    }
  }
  return sum
}
