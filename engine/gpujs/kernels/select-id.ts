// Second step of select: of the winners of the blocks the one with the highest value, the first such on ties; `[rows, 1]`.

import type { KernelThis, Rows } from './kernel.ts'

export function selectId(this: KernelThis<{ blocks: number }>, logits: Rows, winners: Rows): number {
  let best = winners[this.thread.y]![0]!
  let highest = logits[this.thread.y]![best]!
  for (let i = 0; i < this.constants.blocks; i++) {
    const id = winners[this.thread.y]![i]!
    if (logits[this.thread.y]![id]! > highest) {
      highest = logits[this.thread.y]![id]!
      best = id
    }
  }
  return best
}
