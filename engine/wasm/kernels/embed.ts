// Token embedding: a row of the table for each id.

import { data } from './control'
import { unpack } from './weights'

/** `out [rows, width]`; `ids` is an address, or a place in the data. */
@unmanaged
export class Embed {
  out: usize
  ids: usize
  idsInList: u32
  table: usize
  type: u32
  rows: u32
  width: u32
}

/** Threads take whole rows. */
export function embed(c: Embed, thread: u32, threads: u32): void {
  const ids = c.idsInList ? data() + c.ids : c.ids
  for (let row = thread; row < c.rows; row += threads) {
    unpack(c.out + row * c.width * 4, c.table, c.type, load<u32>(ids + row * 4), c.width)
  }
}
