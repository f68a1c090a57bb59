// The types of weights, and their rows in memory as `pack.ts` lays them out.

import { groupBytesQ4, halves, offsetsOf } from './dot-q4'
import { groupBytesQ8 } from './dot-q8'

export const typeF32: u32 = 0
export const typeBF16: u32 = 1
export const typeQ8: u32 = 2
export const typeQ4: u32 = 3
export const typeQ4Offset: u32 = 4
/** q8_0, with the bytes of each row in their own order: see `dot-q8-relaxed.ts`. */
export const typeQ8Relaxed: u32 = 5

export function isQ8(type: u32): bool {
  return type == typeQ8 || type == typeQ8Relaxed
}

/** Bytes of a row of `size` f32 or bf16 weights. */
export function rowBytes(type: u32, size: u32): usize {
  return type == typeF32 ? size * 4 : ((size + 7) >> 3) * 16
}

/** Bytes of a block of four rows of the other types. */
export function groupBytes(type: u32): u32 {
  return isQ8(type) ? groupBytesQ8 : type == typeQ4 ? groupBytesQ4<u16>() : groupBytesQ4<u32>()
}

/** Writes row `row` of a table as f32. */
export function unpack(out: usize, table: usize, type: u32, row: u32, size: u32): void {
  if (type == typeF32) memory.copy(out, table + <usize>row * rowBytes(type, size), size * 4)
  else if (type == typeBF16) unpackBF16(out, table + <usize>row * rowBytes(type, size), size)
  else {
    const group = table + <usize>(row >> 2) * (size >> 5) * groupBytes(type)
    if (isQ8(type)) unpackQ8(out, group, row & 3, size, type == typeQ8)
    else if (type == typeQ4) unpackQ4<u16>(out, group, row & 3, size)
    else unpackQ4<u32>(out, group, row & 3, size)
  }
}

function unpackBF16(out: usize, from: usize, size: u32): void {
  for (let i: u32 = 0; i < size; i++) {
    // In a group of eight, element i shares a word with element i + 4, which has the upper half.
    const word = load<u32>(from + (i >> 3) * 16 + (i & 3) * 4)
    store<u32>(out + i * 4, i & 4 ? word & 0xffff0000 : word << 16)
  }
}

/** Where an element of a block stands among the activations of `quantize.ts`: of sixteen, the even pairs come first. */
function placeOf(element: u32): u32 {
  return (element & 16) + ((element & 2) << 2) + ((element & 12) >> 1) + (element & 1)
}

/** Row `row` of a group of four, its bytes in the order of `quantize.ts`, or else in their own. */
function unpackQ8(out: usize, group: usize, row: u32, size: u32, inPairs: bool): void {
  for (let i: u32 = 0; i < size; i++) {
    const block = group + (i >> 5) * groupBytesQ8
    const place = inPairs ? placeOf(i & 31) : i & 31
    store<f32>(out + i * 4, load<f32>(block + row * 4, 128) * <f32>load<i8>(block + row * 32 + place))
  }
}

function unpackQ4<D>(out: usize, group: usize, row: u32, size: u32): void {
  for (const end = out + size * 4; out < end; out += 128) {
    const scales = halves(group + 64)
    const scale = lane(scales, row)
    const offset = lane(offsetsOf<D>(group, scales), row)
    for (let i: u32 = 0; i < 32; i++) {
      const place = placeOf(i)
      const word: u32 = load<u16>(group + row * 16 + (place & 7) * 2)
      store<f32>(out + i * 4, scale * <f32>((word >> ((place >> 3) * 4)) & 15) + offset)
    }
    group += groupBytesQ4<D>()
  }
}

function lane(values: v128, index: u32): f32 {
  if (index == 0) return f32x4.extract_lane(values, 0)
  if (index == 1) return f32x4.extract_lane(values, 1)
  return index == 2 ? f32x4.extract_lane(values, 2) : f32x4.extract_lane(values, 3)
}
