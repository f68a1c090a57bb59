// A sum of two tensors of one shape: the residual of a product, or logits and noise.

import type { KernelThis, Rows } from './kernel.ts'

export function add(this: KernelThis, a: Rows, b: Rows): number {
  return a[this.thread.y]![this.thread.x]! + b[this.thread.y]![this.thread.x]!
}
