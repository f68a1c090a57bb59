// Second step of attention: the largest score of each head of each row, `[rows * heads, 1]`.

import type { KernelThis, Rows } from './kernel.ts'

export function attentionLargest(
  this: KernelThis<{ heads: number }>,
  scores: Rows,
  start: number,
  window: number,
  positions: number,
): number {
  const row = Math.floor((this.thread.y + 0.5) / this.constants.heads)
  const position = row + start
  let largest = scores[this.thread.y]![position]!
  for (let p = 0; p < positions; p++) {
    if (p <= position && p + window > position) {
      largest = Math.max(largest, scores[this.thread.y]![p]!)
    }
  }
  return largest
}
