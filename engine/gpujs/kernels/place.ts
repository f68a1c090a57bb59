// Writes rows into a table: the table's own rows but for `count` of them from `start` on, which are those of `x` from
// `offset` on. Of the table the first `kept` rows are there; the others are 0.

import type { KernelThis, Rows } from './kernel.ts'

export function place(
  this: KernelThis,
  table: Rows,
  x: Rows,
  start: number,
  count: number,
  offset: number,
  kept: number,
): number {
  const y = this.thread.y
  if (y >= start && y < start + count) {
    return x[y - start + offset]![this.thread.x]!
  }
  if (y < kept) {
    return table[y]![this.thread.x]!
  }
  return 0
}
