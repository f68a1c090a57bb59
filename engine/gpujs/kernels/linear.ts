// Matrix product with a weight stored as `[out, in]`; `x [rows, in]`, `in` being `4 * quads + rest`. Four running sums, so that
// additions need not wait for each other; their order is the same whatever the rows.

import type { KernelThis, Rows } from './kernel.ts'

export function linear(this: KernelThis<{ quads: number; rest: number }>, x: Rows, table: Rows): number {
  const row = this.thread.y
  const column = this.thread.x
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  for (let i = 0; i < this.constants.quads; i++) {
    const at = i * 4
    a += x[row]![at]! * table[column]![at]!
    b += x[row]![at + 1]! * table[column]![at + 1]!
    c += x[row]![at + 2]! * table[column]![at + 2]!
    d += x[row]![at + 3]! * table[column]![at + 3]!
  }
  for (let j = 0; j < this.constants.rest; j++) {
    const at = this.constants.quads * 4 + j
    a += x[row]![at]! * table[column]![at]!
  }
  return a + b + (c + d)
}
