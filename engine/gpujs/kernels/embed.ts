// Token embedding: a row of the table for each id. `ids [rows, 1]`, `table [vocabulary, hidden]`.

import type { KernelThis, Rows } from './kernel.ts'

export function embed(this: KernelThis, ids: Rows, table: Rows): number {
  return table[ids[this.thread.y]![0]!]![this.thread.x]!
}
