// Greedy choice: the winner of each row of logits, with what is needed to turn its logit into a probability.

import type { Selection } from '../backend.ts'
import { type F32Tensor, type I32Tensor, width } from './tensor.ts'

/** Per row the id of the largest `logit + noise` (the lowest on ties), its logit, and `log(sum(exp(logits)))`. */
export function select(
  { ids, scores }: Selection<I32Tensor | F32Tensor>,
  logits: F32Tensor,
  { noise }: { noise?: F32Tensor | undefined },
): void {
  const size = width(logits)
  const noisy = (i: number): number => (noise ? Math.fround(logits.data[i]! + noise.data[i]!) : logits.data[i]!)
  for (let row = 0; row < ids.data.length; row++) {
    const start = row * size
    let best = 0
    for (let i = 1; i < size; i++) if (noisy(start + i) > noisy(start + best)) best = i
    ids.data[row] = best
    scores.data[row * 2] = logits.data[start + best]!
    scores.data[row * 2 + 1] = logSumExp(logits.data, start, size)
  }
}

function logSumExp(values: Float32Array, start: number, size: number): number {
  // A number: a row of minus infinities is as far below it as can be, and its logarithm is that of 0.
  let largest = -Number.MAX_VALUE
  for (let i = start; i < start + size; i++) largest = Math.max(largest, values[i]!)
  let total = 0
  for (let i = start; i < start + size; i++) total += Math.exp(values[i]! - largest)
  return largest + Math.log(total)
}
