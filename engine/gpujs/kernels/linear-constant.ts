// The same as `linear`, with a weight that is a constant: it is copied to the kernel once, not in every call.

import type { KernelThis, Rows } from './kernel.ts'

export function linearConstant(this: KernelThis<{ size: number; table: Rows }>, x: Rows): number {
  let sum = 0
  for (let i = 0; i < this.constants.size; i++) {
    sum += x[this.thread.y]![i]! * this.constants.table[this.thread.x]![i]!
  }
  return sum
}
