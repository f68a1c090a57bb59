// Rotary position embedding of consecutive rows of one sequence, which begin at row `offset` of `x` and at position `start`;
// `cos` and `sin` `[positions, half]`.

import type { KernelThis, Rows } from './kernel.ts'

export function rotate(
  this: KernelThis<{ half: number }>,
  x: Rows,
  cos: Rows,
  sin: Rows,
  offset: number,
  start: number,
): number {
  const row = this.thread.y + offset
  const position = this.thread.y + start
  const head = Math.floor((this.thread.x + 0.5) / (2 * this.constants.half))
  const place = this.thread.x - head * 2 * this.constants.half
  if (place < this.constants.half) {
    const other = x[row]![this.thread.x + this.constants.half]!
    return x[row]![this.thread.x]! * cos[position]![place]! - other * sin[position]![place]!
  }
  const pair = place - this.constants.half
  const other2 = x[row]![this.thread.x - this.constants.half]!
  return x[row]![this.thread.x]! * cos[position]![pair]! + other2 * sin[position]![pair]!
}
