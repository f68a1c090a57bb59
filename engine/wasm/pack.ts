// How weights lie in memory: such that a kernel gets vectors of f32 from them with the fewest steps.

import { byteSize, type DType, elementCount } from '../dtype.ts'
import { halfToFloat } from '../half.ts'

/** Bytes of a block of four rows of q8_0. */
const groupBlockBytes = 144

/** The number by which kernels know a type of weights. */
export const typeNumbers: Readonly<Partial<Record<DType, number>>> = { f32: 0, bf16: 1, q8_0: 2 }

/** Bytes that a tensor takes when it is packed. */
export function packedSize(dtype: DType, shape: readonly number[]): number {
  const columns = shape.at(-1) ?? 1
  const rows = columns === 0 ? 0 : elementCount(shape) / columns
  if (dtype === 'bf16') return rows * Math.ceil(columns / 8) * 16
  if (dtype === 'q8_0') return Math.ceil(rows / 4) * (columns / 32) * groupBlockBytes
  return byteSize(dtype, shape)
}

/** Writes the values of `bytes` to `out`, which is of `packedSize`. */
export function pack(out: Uint8Array, bytes: Uint8Array, dtype: DType, columns: number): void {
  if (dtype === 'bf16') packBF16(out, bytes, columns)
  else if (dtype === 'q8_0') packQ8(out, bytes, columns)
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

/** Where the pairs of a block's bytes go: of each sixteen bytes, even pairs first, then odd ones. */
const pairOrder = [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]

/**
 * Four rows side by side: for each block of 32 columns the bytes of each, then the four scales as f32. Rows are filled up
 * with zeros to whole groups.
 */
function packQ8(out: Uint8Array, bytes: Uint8Array, columns: number): void {
  const from = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice()
  const source = new Uint16Array(from.buffer, from.byteOffset, from.byteLength / 2)
  const pairs = new Uint16Array(out.buffer, out.byteOffset, out.byteLength / 2)
  const scales = new Float32Array(out.buffer, out.byteOffset, out.byteLength / 4)
  const blocks = columns / 32
  const rows = source.length / 17 / blocks
  if (rows % 4 !== 0) out.fill(0)
  for (let row = 0, read = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++, read += 17) {
      const at = ((row >> 2) * blocks + block) * groupBlockBytes
      const to = at / 2 + (row & 3) * 16
      scales[at / 4 + 32 + (row & 3)] = halfToFloat(source[read]!)
      for (let pair = 0; pair < 16; pair++) pairs[to + pairOrder[pair]!] = source[read + 1 + pair]!
    }
  }
}
