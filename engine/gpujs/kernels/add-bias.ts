// Adds one row, `bias [1, width]`, to every row.

import type { KernelThis, Rows } from './kernel.ts'

export function addBias(this: KernelThis, x: Rows, bias: Rows): number {
  return x[this.thread.y]![this.thread.x]! + bias[0]![this.thread.x]!
}
