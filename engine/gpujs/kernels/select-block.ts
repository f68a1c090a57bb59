// First step of select: the id of the highest value of each block of a row, the lowest such id on ties; `[rows, blocks]`. By
// blocks, because one loop over a vocabulary would keep a GPU waiting for a single thread, and some end long loops early.

import type { KernelThis, Rows } from './kernel.ts'

export function selectBlock(this: KernelThis<{ size: number; block: number }>, logits: Rows): number {
  const first = this.thread.x * this.constants.block
  let best = first
  let highest = logits[this.thread.y]![first]!
  for (let i = 0; i < this.constants.block; i++) {
    const id = first + i
    if (id < this.constants.size) {
      if (logits[this.thread.y]![id]! > highest) {
        highest = logits[this.thread.y]![id]!
        best = id
      }
    }
  }
  return best
}
