// First step of attention: `scale * q . k` for each head of each row and each cached position, `[rows * heads, positions]`.
// Queries begin at row `offset`, and at position `start`; `group` heads share a head of keys.

import type { KernelThis, Rows } from './kernel.ts'

export function attentionScores(
  this: KernelThis<{ heads: number; group: number; headSize: number }>,
  queries: Rows,
  keys: Rows,
  offset: number,
  start: number,
  window: number,
  scale: number,
): number {
  const row = Math.floor((this.thread.y + 0.5) / this.constants.heads)
  const head = this.thread.y - row * this.constants.heads
  const position = row + start
  if (this.thread.x > position || this.thread.x + window <= position) {
    return 0
  }
  const keyHead = Math.floor((head + 0.5) / this.constants.group)
  let sum = 0
  for (let i = 0; i < this.constants.headSize; i++) {
    const query = queries[row + offset]![head * this.constants.headSize + i]!
    sum += query * keys[this.thread.x]![keyHead * this.constants.headSize + i]!
  }
  return sum * scale
}
