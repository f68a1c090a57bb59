// Gathers rows: row y is row `list[y]` of `x`, or the table's own where that is negative; `list [rows, 1]`.

import type { KernelThis, Rows } from './kernel.ts'

export function pick(this: KernelThis, table: Rows, x: Rows, list: Rows): number {
  const row = list[this.thread.y]![0]!
  if (row < 0) {
    return table[this.thread.y]![this.thread.x]!
  }
  return x[row]![this.thread.x]!
}
