// How weights lie in memory: such that a kernel gets vectors from them with the fewest steps.

import { type BlockDType, blockLayouts, byteSize, type DType, elementCount, isBlockType } from '../dtype.ts'
import { NumericError } from '../errors.ts'
import { halfToFloat } from '../half.ts'

/** The number by which kernels know a type of weights. */
export const typeNumbers: Readonly<Partial<Record<DType, number>>> = { f32: 0, bf16: 1, q8_0: 2, q4_0: 3, q4_1: 4 }

/** Bytes of a block of 32 columns of four rows. */
const groupBytes: Readonly<Record<BlockDType, number>> = { q8_0: 144, q4_0: 72, q4_1: 80 }

/** Bytes that a tensor takes when it is packed. */
export function packedSize(dtype: DType, shape: readonly number[]): number {
  const columns = shape.at(-1) ?? 1
  const rows = columns === 0 ? 0 : elementCount(shape) / columns
  if (dtype === 'bf16') return rows * Math.ceil(columns / 8) * 16
  if (isBlockType(dtype)) return Math.ceil(rows / 4) * (columns / 32) * groupBytes[dtype]
  return byteSize(dtype, shape)
}

/** Writes the values of `bytes` to `out`, which is of `packedSize`. Throws {@link NumericError} for a scale without a number. */
export function pack(out: Uint8Array, bytes: Uint8Array, dtype: DType, columns: number): void {
  if (dtype === 'bf16') packBF16(out, bytes, columns)
  else if (dtype === 'q8_0') packGroups(out, bytes, { dtype, columns, packBlock: packQ8 })
  else if (dtype === 'q4_0' || dtype === 'q4_1') packGroups(out, bytes, { dtype, columns, packBlock: packQ4 })
  else out.set(bytes)
}

/**
 * bf16 is the upper half of an f32. In a group of eight, word i has element i in its lower half and element i + 4 in its
 * upper: a shift gives the first four as f32, a mask the others. Rows are filled up with zeros to whole groups.
 */
function packBF16(out: Uint8Array, bytes: Uint8Array, columns: number): void {
  const source = wordsOf(bytes)
  const target = new Uint16Array(out.buffer, out.byteOffset, out.byteLength / 2)
  const rowSize = Math.ceil(columns / 8) * 8
  if (rowSize !== columns) target.fill(0)
  for (let read = 0, row = 0; read < source.length; row += rowSize) {
    for (let i = 0; i < columns; i++, read++) target[row + (i & ~7) + (i & 3) * 2 + ((i >> 2) & 1)] = source[read]!
  }
}

/** Bytes as words of 16 bits, which have to begin at an even place. */
function wordsOf(bytes: Uint8Array): Uint16Array {
  const even = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes)
  return new Uint16Array(even.buffer, even.byteOffset, even.byteLength / 2)
}

/** Packs the block at word `from` of `source` as that of row `row` of the group at word `group` of `out`. */
type PackBlock = (
  out: Uint16Array,
  group: number,
  source: Uint16Array,
  from: number,
  row: number,
  words: number,
) => void

/**
 * Four rows side by side: for each block of 32 columns the weights of each, then the four scales, and the four offsets
 * where there are some. Rows are filled up with zeros to whole groups.
 */
function packGroups(
  out: Uint8Array,
  bytes: Uint8Array,
  { dtype, columns, packBlock }: { dtype: BlockDType; columns: number; packBlock: PackBlock },
): void {
  const source = wordsOf(bytes)
  const target = new Uint16Array(out.buffer, out.byteOffset, out.byteLength / 2)
  const words = blockLayouts[dtype].blockBytes / 2
  const group = groupBytes[dtype] / 2
  const blocks = columns / 32
  const rows = source.length / words / blocks
  if (rows % 4 !== 0) target.fill(0)
  for (let row = 0, read = 0; row < rows; row++) {
    const first = (row >> 2) * blocks * group
    for (let block = 0; block < blocks; block++, read += words) {
      packBlock(target, first + block * group, source, read, row & 3, words)
    }
  }
}

const floats = new Float32Array(1)
const halvesOfFloat = new Uint16Array(floats.buffer)

/** Columns 0 to 3 of each row, columns 4 to 7 of each, and so on. The scale becomes an f32. */
function packQ8(out: Uint16Array, group: number, source: Uint16Array, from: number, row: number): void {
  floats[0] = halfToFloat(finite(source[from]!))
  out[group + 64 + row * 2] = halvesOfFloat[0]!
  out[group + 64 + row * 2 + 1] = halvesOfFloat[1]!
  for (let pair = 0; pair < 16; pair++) out[group + (pair >> 1) * 8 + row * 2 + (pair & 1)] = source[from + 1 + pair]!
}

/**
 * Columns 0 to 15 of each row as four words, then columns 16 to 31. Word i has columns i, i + 4, i + 8 and i + 12, the first in
 * its lowest bits. In the file byte i has column i in its lower half, and column i + 16 in its upper.
 */
function packQ4(out: Uint16Array, group: number, source: Uint16Array, from: number, row: number, words: number): void {
  const first = from + words - 8
  for (let pair = 0; pair < 2; pair++) {
    // Words of the file with columns 2 * pair and 2 * pair + 1, and 4, 8 and 12 columns behind these.
    const a = source[first + pair]!
    const b = source[first + pair + 2]!
    const c = source[first + pair + 4]!
    const d = source[first + pair + 6]!
    for (let odd = 0; odd < 2; odd++) {
      const to = group + row * 4 + pair * 2 + odd
      const at = odd * 8
      out[to] = word(a >> at, b >> at, c >> at, d >> at)
      out[to + 16] = word(a >> (at + 4), b >> (at + 4), c >> (at + 4), d >> (at + 4))
    }
  }
  out[group + 32 + row] = finite(source[from]!)
  if (words === 10) out[group + 36 + row] = finite(source[from + 1]!)
}

/** The lowest four bits of each, those of `a` lowest. */
function word(a: number, b: number, c: number, d: number): number {
  return (a & 15) | ((b & 15) << 4) | ((c & 15) << 8) | ((d & 15) << 12)
}

/** The bits of an f16 that is a number. */
function finite(bits: number): number {
  if ((bits & 0x7c00) !== 0x7c00) return bits
  throw new NumericError('weights have a block whose scale is not a finite number')
}
