// Gathers whole rows of one tensor into another.

import { data } from './control'
import { copy } from './copy'

/** Copies rows of `bytes` to `out` and behind it; which rows is said in the list, at `picks`. */
@unmanaged
export class CopyRows {
  out: usize
  x: usize
  picks: usize
  count: u32
  bytes: u32
}

/** Threads take whole rows. */
export function copyRows(c: CopyRows, thread: u32, threads: u32): void {
  for (let i = thread; i < c.count; i += threads) {
    copy(c.out + i * c.bytes, c.x + load<u32>(data() + c.picks + i * 4) * c.bytes, c.bytes)
  }
}
