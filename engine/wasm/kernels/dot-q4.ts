// Products with q4_0 and q4_1 weights, in integers: exact within a block of 32, so that no machine can differ.
//
// A weight is `scale * q + offset`, q from 0 to 15, and in q4_0 the offset is -8 scales. So a block's product is scale times
// the product of the q, plus offset times the sum of the activations.
//
// Weights come in groups of four rows (see `pack.ts`): block by block, eight words of four q for each row, lowest bits
// first: those of the first words' q go with the first eight of the activations of `quantize.ts`, the second with the
// next, and so on. Then four scales, and for q4_1 four offsets, in 16 bits. D says which: bytes of a row's scale and offset.

import { addScaled, sums } from './dot'

/** Bytes of a block of four rows: D is `u16` for q4_0, `u32` for q4_1. */
export function groupBytesQ4<D>(): u32 {
  return 64 + 4 * sizeof<D>()
}

/** Writes the scales and then the offsets of a group of four rows, block by block, as vectors of f32 at `out`. */
export function scalesQ4<D>(out: usize, w: usize, size: u32): void {
  let offsets = out + (size >> 5) * 16
  for (const end = offsets; out < end; out += 16) {
    const scales = halves(w + 64)
    v128.store(out, scales)
    v128.store(offsets, offsetsOf<D>(w, scales))
    offsets += 16
    w += groupBytesQ4<D>()
  }
}

/**
 * The products of quantised `x`, whose block sums are at `blocks`, with the four rows of a group, less the scale of `x`;
 * `scales` are those of `scalesQ4`.
 */
export function dotsQ4<D>(x: usize, blocks: usize, w: usize, scales: usize, size: u32): v128 {
  let a = f32x4.splat(0)
  let b = a
  let c = a
  let d = a
  const low = i16x8.splat(15)
  const end = x + size * 2
  for (; x < end; x += 64) {
    const x0 = v128.load(x)
    const x1 = v128.load(x, 16)
    const x2 = v128.load(x, 32)
    const x3 = v128.load(x, 48)
    a = addScaled(a, v128.load32_splat(scales), blockSum(w, low, x0, x1, x2, x3))
    b = addScaled(b, v128.load32_splat(scales, 4), blockSum(w + 16, low, x0, x1, x2, x3))
    c = addScaled(c, v128.load32_splat(scales, 8), blockSum(w + 32, low, x0, x1, x2, x3))
    d = addScaled(d, v128.load32_splat(scales, 12), blockSum(w + 48, low, x0, x1, x2, x3))
    scales += 16
    w += groupBytesQ4<D>()
  }
  // The offsets lie behind the scales.
  let offset = f32x4.splat(0)
  for (const last = blocks + (size >> 3); blocks < last; blocks += 4) {
    offset = f32x4.add(offset, f32x4.mul(v128.load(scales), v128.load32_splat(blocks)))
    scales += 16
  }
  return f32x4.add(sums(a, b, c, d), offset)
}

/** The offsets of a block of four rows. */
export function offsetsOf<D>(w: usize, scales: v128): v128 {
  return sizeof<D>() == 4 ? halves(w + 72) : f32x4.mul(scales, f32x4.splat(-8))
}

/** Four sums of eight products: one row's 32 weights at `w`, times 32 activations. `low` has the lowest bits of a word. */
function blockSum(w: usize, low: v128, x0: v128, x1: v128, x2: v128, x3: v128): v128 {
  const words = v128.load(w)
  return i32x4.add(
    i32x4.add(i32x4.dot_i16x8_s(v128.and(words, low), x0), i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(words, 4), low), x1)),
    i32x4.add(
      i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(words, 8), low), x2),
      i32x4.dot_i16x8_s(i16x8.shr_u(words, 12), x3),
    ),
  )
}

/** Four finite f16 as f32: exponent and fraction where f32 has them, then the difference of the exponents' zeros. Exact. */
export function halves(at: usize): v128 {
  const bits = v128.and(i32x4.shl(v128.load16x4_s(at), 13), i32x4.splat(0x8fffe000))
  return f32x4.mul(bits, f32x4.splat(<f32>2 ** 112))
}
