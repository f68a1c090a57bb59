// The types of weights, and their rows in memory as `pack.ts` lays them out.

export const typeF32: u32 = 0
export const typeBF16: u32 = 1

/** Bytes of a row of `size` weights. */
export function rowBytes(type: u32, size: u32): usize {
  return type == typeF32 ? size * 4 : ((size + 7) >> 3) * 16
}

/** Writes row `row` of a table as f32. */
export function unpack(out: usize, table: usize, type: u32, row: u32, size: u32): void {
  const from = table + <usize>row * rowBytes(type, size)
  if (type == typeF32) {
    memory.copy(out, from, size * 4)
    return
  }
  for (let i: u32 = 0; i < size; i++) {
    // In a group of eight, element i shares a word with element i + 4, which has the upper half.
    const word = load<u32>(from + (i >> 3) * 16 + (i & 3) * 4)
    store<u32>(out + i * 4, i & 4 ? word & 0xffff0000 : word << 16)
  }
}
