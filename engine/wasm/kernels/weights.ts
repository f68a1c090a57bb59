// The types of weights, and their rows in memory as `pack.ts` lays them out.

import { copy } from './copy'
import { groupBytes, offsetsOf, scalesOf, weightBytes } from './dot-blocks'

export const typeF32: u32 = 0
export const typeBF16: u32 = 1
export const typeQ8: u32 = 2
export const typeQ4: u32 = 3
export const typeQ4Offset: u32 = 4

/** Bytes of a row of `size` f32 or bf16 weights. */
export function rowBytes(type: u32, size: u32): usize {
  return type == typeF32 ? size * 4 : ((size + 7) >> 3) * 16
}

/** Writes row `row` of a table as f32. */
export function unpack(out: usize, table: usize, type: u32, row: u32, size: u32): void {
  if (type == typeF32) copy(out, table + <usize>row * rowBytes(type, size), size * 4)
  else if (type == typeBF16) unpackBF16(out, table + <usize>row * rowBytes(type, size), size)
  else if (type == typeQ8) unpackBlocks<i8>(out, table, row, size)
  else if (type == typeQ4) unpackBlocks<u16>(out, table, row, size)
  else unpackBlocks<u32>(out, table, row, size)
}

function unpackBF16(out: usize, from: usize, size: u32): void {
  for (let i: u32 = 0; i < size; i++) {
    // In a group of eight, element i shares a word with element i + 4, which has the upper half.
    const word = load<u32>(from + (i >> 3) * 16 + (i & 3) * 4)
    store<u32>(out + i * 4, i & 4 ? word & 0xffff0000 : word << 16)
  }
}

/** T says which type, as in `dot-blocks.ts`. */
function unpackBlocks<T>(out: usize, table: usize, row: u32, size: u32): void {
  let block = table + <usize>(row >> 2) * (size >> 5) * groupBytes<T>()
  for (const end = out + size * 4; out < end; out += 128) {
    const scales = scalesOf<T>(block + weightBytes<T>())
    const scale = lane(scales, row & 3)
    const offset = lane(offsetsOf<T>(block + weightBytes<T>(), scales), row & 3)
    for (let i: u32 = 0; i < 32; i++) store<f32>(out + i * 4, scale * <f32>whole<T>(block, row & 3, i) + offset)
    block += groupBytes<T>()
  }
}

/** The whole number of a block's row and column. */
function whole<T>(block: usize, row: u32, column: u32): i32 {
  if (sizeof<T>() == 1) return load<i8>(block + (column >> 2) * 16 + row * 4 + (column & 3))
  // A word has every fourth of sixteen columns.
  const word: i32 = load<u16>(block + (column >> 4) * 32 + row * 8 + (column & 3) * 2)
  return (word >> (column & 12)) & 15
}

function lane(values: v128, index: u32): f32 {
  if (index == 0) return f32x4.extract_lane(values, 0)
  if (index == 1) return f32x4.extract_lane(values, 1)
  return index == 2 ? f32x4.extract_lane(values, 2) : f32x4.extract_lane(values, 3)
}
