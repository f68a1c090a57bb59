// How weights lie in memory: such that a kernel gets vectors of f32 from them with the fewest steps.

import { byteSize, type DType, elementCount } from '../dtype.ts'

/** The number by which kernels know a type of weights. */
export const typeNumbers: Readonly<Partial<Record<DType, number>>> = { f32: 0, bf16: 1 }

/** Bytes that a tensor takes when it is packed. */
export function packedSize(dtype: DType, shape: readonly number[]): number {
  if (dtype !== 'bf16') return byteSize(dtype, shape)
  const columns = shape.at(-1) ?? 1
  return columns === 0 ? 0 : (elementCount(shape) / columns) * Math.ceil(columns / 8) * 16
}

/** Writes the values of `bytes` to `out`, which is of `packedSize`. */
export function pack(out: Uint8Array, bytes: Uint8Array, dtype: DType, columns: number): void {
  if (dtype === 'bf16') packBF16(out, bytes, columns)
  else out.set(bytes)
}

/**
 * bf16 is the upper half of an f32. In a group of eight, word i has element i in its lower half and element i + 4 in its
 * upper: a shift gives the first four as f32, a mask the others. Rows are filled up with zeros to whole groups.
 */
function packBF16(out: Uint8Array, bytes: Uint8Array, columns: number): void {
  const from = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice()
  const source = new Uint16Array(from.buffer, from.byteOffset, from.byteLength / 2)
  const target = new Uint16Array(out.buffer, out.byteOffset, out.byteLength / 2)
  const rowSize = Math.ceil(columns / 8) * 8
  if (rowSize !== columns) target.fill(0)
  for (let read = 0, row = 0; read < source.length; row += rowSize) {
    for (let i = 0; i < columns; i++, read++) target[row + (i & ~7) + (i & 3) * 2 + ((i >> 2) & 1)] = source[read]!
  }
}
