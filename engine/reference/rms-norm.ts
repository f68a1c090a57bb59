// Root mean square normalisation (Zhang and Sennrich 2019).

import { type F32Tensor, width } from './tensor.ts'

/** `out = x / sqrt(mean(x^2) + epsilon) * weight` over each run of `weight`'s size. */
export function rmsNorm(
  out: F32Tensor,
  x: F32Tensor,
  { weight, epsilon }: { weight: F32Tensor; epsilon: number },
): void {
  const size = width(weight)
  for (let start = 0; start < x.data.length; start += size) {
    let squares = 0
    for (let i = 0; i < size; i++) squares += x.data[start + i]! ** 2
    const scale = 1 / Math.sqrt(squares / size + epsilon)
    for (let i = 0; i < size; i++) out.data[start + i] = x.data[start + i]! * scale * weight.data[i]!
  }
}
