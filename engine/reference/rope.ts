// Rotary position embedding (Su et al., RoFormer) in Hugging Face's half-split layout.

import type { Segments } from '../backend.ts'
import { type F32Tensor, width } from './tensor.ts'

/** Rotates the pairs `(i, i + half)` of each head by the row's position; `cos` and `sin` `[positions, half]`. */
export function rope(
  out: F32Tensor,
  x: F32Tensor,
  { cos, sin, segments }: { cos: F32Tensor; sin: F32Tensor; segments: Segments },
): void {
  const half = width(cos)
  const size = width(x)
  let start = 0
  for (const segment of segments) {
    for (let position = segment.start; position < segment.start + segment.count; position++, start += size) {
      for (let head = start; head < start + size; head += 2 * half) {
        for (let i = 0; i < half; i++) {
          const c = cos.data[position * half + i]!
          const s = sin.data[position * half + i]!
          const a = x.data[head + i]!
          const b = x.data[head + half + i]!
          out.data[head + i] = a * c - b * s
          out.data[head + half + i] = b * c + a * s
        }
      }
    }
  }
}
