// Third step of attention: `exp(score - largest)`, and 0 at positions that a row does not see; shaped as the scores.

import type { KernelThis, Rows } from './kernel.ts'

export function attentionWeights(
  this: KernelThis<{ heads: number }>,
  scores: Rows,
  largest: Rows,
  start: number,
  window: number,
): number {
  const row = Math.floor((this.thread.y + 0.5) / this.constants.heads)
  const position = row + start
  if (this.thread.x > position || this.thread.x + window <= position) {
    return 0
  }
  return Math.exp(scores[this.thread.y]![this.thread.x]! - largest[this.thread.y]![0]!)
}
