// Writing keys and values to the caches of sequences, and copying them between caches.

import { data } from './control'
import { copy } from './copy'
import { chunkPositions, Row, runOf } from './rows'

/** `keys` and `values` `[rows, bytes / 4]`. */
@unmanaged
export class StoreKV {
  keys: usize
  values: usize
  table: usize
  rows: u32
  layer: u32
  bytes: u32
}

/** Threads take whole rows. */
export function storeKV(c: StoreKV, thread: u32, threads: u32): void {
  const bytes = c.bytes
  const plane = chunkPositions * bytes
  for (let i = thread; i < c.rows; i += threads) {
    const row = changetype<Row>(data() + c.table + i * offsetof<Row>())
    const at = runOf(data() + row.runs, row.position).base + row.position * bytes + 2 * c.layer * plane
    copy(at, c.keys + i * bytes, bytes)
    copy(at + plane, c.values + i * bytes, bytes)
  }
}

/** Copies positions `from .. to - 1` of every plane; `out` and `source` are runs. */
@unmanaged
export class CopyKV {
  out: usize
  source: usize
  planes: u32
  from: u32
  to: u32
  bytes: u32
}

/** Threads take whole planes. */
export function copyKV(c: CopyKV, thread: u32, threads: u32): void {
  const bytes = c.bytes
  for (let plane = thread; plane < c.planes; plane += threads) {
    const offset = plane * chunkPositions * bytes
    for (let p = c.from; p < c.to; p++) {
      const to = runOf(data() + c.out, p).base + p * bytes + offset
      copy(to, runOf(data() + c.source, p).base + p * bytes + offset, bytes)
    }
  }
}
