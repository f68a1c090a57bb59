// The types of weights, and their rows in memory as `pack.ts` lays them out.

import { groupBlockBytes } from './dot-q8'

export const typeF32: u32 = 0
export const typeBF16: u32 = 1
export const typeQ8: u32 = 2

/** Bytes of a row of `size` f32 or bf16 weights. */
export function rowBytes(type: u32, size: u32): usize {
  return type == typeF32 ? size * 4 : ((size + 7) >> 3) * 16
}

/** Writes row `row` of a table as f32. */
export function unpack(out: usize, table: usize, type: u32, row: u32, size: u32): void {
  const from = table + <usize>row * rowBytes(type, size)
  if (type == typeF32) memory.copy(out, from, size * 4)
  else if (type == typeBF16) unpackBF16(out, from, size)
  else unpackQ8(out, table + (row >> 2) * (size >> 5) * groupBlockBytes, row & 3, size)
}

function unpackBF16(out: usize, from: usize, size: u32): void {
  for (let i: u32 = 0; i < size; i++) {
    // In a group of eight, element i shares a word with element i + 4, which has the upper half.
    const word = load<u32>(from + (i >> 3) * 16 + (i & 3) * 4)
    store<u32>(out + i * 4, i & 4 ? word & 0xffff0000 : word << 16)
  }
}

/** Row `row` of a group of four. */
function unpackQ8(out: usize, group: usize, row: u32, size: u32): void {
  for (let i: u32 = 0; i < size; i++) {
    const block = group + (i >> 5) * groupBlockBytes
    // Of sixteen elements, the even pairs come first, then the odd.
    const place = (i & 16) + ((i & 2) << 2) + ((i & 12) >> 1) + (i & 1)
    store<f32>(out + i * 4, load<f32>(block + row * 4, 128) * <f32>load<i8>(block + row * 32 + place))
  }
}
