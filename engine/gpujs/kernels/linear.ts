// Matrix product with a weight stored as `[out, in]`; `x [rows, in]`. The sum runs from 0 to `in`, whatever the rows.

import type { KernelThis, Rows } from './kernel.ts'

export function linear(this: KernelThis<{ size: number }>, x: Rows, table: Rows): number {
  let sum = 0
  for (let i = 0; i < this.constants.size; i++) {
    sum += x[this.thread.y]![i]! * table[this.thread.x]![i]!
  }
  return sum
}
