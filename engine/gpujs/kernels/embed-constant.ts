// The same as `embed`, with a table that is a constant: it is copied to the kernel once, not in every call.

import type { KernelThis, Rows } from './kernel.ts'

export function embedConstant(this: KernelThis<{ table: Rows }>, ids: Rows): number {
  return this.constants.table[ids[this.thread.y]![0]!]![this.thread.x]!
}
