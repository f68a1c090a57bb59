// The same as `linear`, with a weight that is a constant: it is copied to the kernel once, not in every call.

import type { KernelThis, Rows } from './kernel.ts'

export function linearConstant(this: KernelThis<{ quads: number; rest: number; table: Rows }>, x: Rows): number {
  const row = this.thread.y
  const column = this.thread.x
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  for (let i = 0; i < this.constants.quads; i++) {
    const at = i * 4
    a += x[row]![at]! * this.constants.table[column]![at]!
    b += x[row]![at + 1]! * this.constants.table[column]![at + 1]!
    c += x[row]![at + 2]! * this.constants.table[column]![at + 2]!
    d += x[row]![at + 3]! * this.constants.table[column]![at + 3]!
  }
  for (let j = 0; j < this.constants.rest; j++) {
    const at = this.constants.quads * 4 + j
    a += x[row]![at]! * this.constants.table[column]![at]!
  }
  return a + b + (c + d)
}
