// Token embedding: a row of the table for each id.

import { type F32Tensor, type I32Tensor, type WeightTensor, weightRows, width } from './tensor.ts'

/** `out[r] = table[ids[r]]`; `out [rows, hidden]`, `table [vocabulary, hidden]`. */
export function embed(out: F32Tensor, ids: Int32Array | I32Tensor, { table }: { table: WeightTensor }): void {
  const size = width(out)
  const rows = weightRows(table)
  const list = ids instanceof Int32Array ? ids : ids.data
  for (let r = 0; r < list.length; r++) {
    const at = rows.seek(list[r]!)
    out.data.set(rows.values.subarray(at, at + size), r * size)
  }
}
