// Gathers whole rows of one tensor into another.

import { type F32Tensor, width } from './tensor.ts'

/** `out[at + i] = x[rows[i]]`. */
export function copyRows(out: F32Tensor, x: F32Tensor, { rows, at }: { rows: readonly number[]; at: number }): void {
  const size = width(x)
  for (const [i, row] of rows.entries()) {
    out.data.set(x.data.subarray(row * size, (row + 1) * size), (at + i) * size)
  }
}
