// Products with q4_0 and q4_1 weights, in integers: exact within a block of 32, so that no machine can differ.
//
// A weight is `scale * q + offset`, q from 0 to 15, and in q4_0 the offset is -8 scales. So a block's product is scale times
// the product of the q, plus offset times the sum of the activations.
//
// Weights come in groups of four rows (see `pack.ts`): block by block, eight words of four q for each row, lowest bits
// first: those of the first words' q go with the first eight of the activations of `quantize.ts`, the second with the
// next, and so on. Then four scales, and for q4_1 four offsets, in 16 bits. D says which: bytes of a row's scale and offset.

import { sums } from './dot'

/** Bytes of a block of four rows: D is `u16` for q4_0, `u32` for q4_1. */
export function groupBytesQ4<D>(): u32 {
  return 64 + 4 * sizeof<D>()
}

/** The products of quantised `x`, whose block sums are at `blocks`, with the four rows of a group, less the scale of `x`. */
export function dotsQ4<D>(x: usize, blocks: usize, w: usize, size: u32): v128 {
  let a = f32x4.splat(0)
  let b = a
  let c = a
  let d = a
  let offsets = a
  const end = x + size * 2
  for (; x < end; x += 64) {
    const x0 = v128.load(x)
    const x1 = v128.load(x, 16)
    const x2 = v128.load(x, 32)
    const x3 = v128.load(x, 48)
    const scales = halves(w + 64)
    a = scaled(a, f32x4.shuffle(scales, scales, 0, 0, 0, 0), blockSum(w, x0, x1, x2, x3))
    b = scaled(b, f32x4.shuffle(scales, scales, 1, 1, 1, 1), blockSum(w + 16, x0, x1, x2, x3))
    c = scaled(c, f32x4.shuffle(scales, scales, 2, 2, 2, 2), blockSum(w + 32, x0, x1, x2, x3))
    d = scaled(d, f32x4.shuffle(scales, scales, 3, 3, 3, 3), blockSum(w + 48, x0, x1, x2, x3))
    const offset = offsetsOf<D>(w, scales)
    offsets = f32x4.add(offsets, f32x4.mul(offset, v128.load32_splat(blocks)))
    blocks += 4
    w += groupBytesQ4<D>()
  }
  return f32x4.add(sums(a, b, c, d), offsets)
}

/** The offsets of a block of four rows. */
export function offsetsOf<D>(w: usize, scales: v128): v128 {
  return sizeof<D>() == 4 ? halves(w + 72) : f32x4.mul(scales, f32x4.splat(-8))
}

function scaled(sum: v128, scale: v128, block: v128): v128 {
  return f32x4.add(sum, f32x4.mul(scale, f32x4.convert_i32x4_s(block)))
}

/** Four sums of eight products: one row's 32 weights at `w`, times 32 activations. */
function blockSum(w: usize, x0: v128, x1: v128, x2: v128, x3: v128): v128 {
  const words = v128.load(w)
  const low = i16x8.splat(15)
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
