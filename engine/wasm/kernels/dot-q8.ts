// Products with q8_0 weights, in integers: exact within a block of 32, so that no machine and no instruction can differ.
//
// Weights come in groups of four rows (see `pack.ts`): block by block, the 32 bytes of each row in the order of
// `quantize.ts`, then their four scales.

import { addScaled, sums } from './dot'

/** Bytes of a block of four rows. */
export const groupBytesQ8: u32 = 144

/** The products of quantised `x` with the four rows of a group, less the scale of `x`. */
export function dotsQ8(x: usize, w: usize, size: u32): v128 {
  let a = f32x4.splat(0)
  let b = a
  let c = a
  let d = a
  const end = x + size * 2
  for (; x < end; x += 64) {
    const x0 = v128.load(x)
    const x1 = v128.load(x, 16)
    const x2 = v128.load(x, 32)
    const x3 = v128.load(x, 48)
    const scales = v128.load(w, 128)
    a = addScaled(a, f32x4.shuffle(scales, scales, 0, 0, 0, 0), blockSum(w, x0, x1, x2, x3))
    b = addScaled(b, f32x4.shuffle(scales, scales, 1, 1, 1, 1), blockSum(w + 32, x0, x1, x2, x3))
    c = addScaled(c, f32x4.shuffle(scales, scales, 2, 2, 2, 2), blockSum(w + 64, x0, x1, x2, x3))
    d = addScaled(d, f32x4.shuffle(scales, scales, 3, 3, 3, 3), blockSum(w + 96, x0, x1, x2, x3))
    w += groupBytesQ8
  }
  return sums(a, b, c, d)
}

/** Four sums of eight products: one row's 32 weights at `w`, times 32 activations. */
function blockSum(w: usize, x0: v128, x1: v128, x2: v128, x3: v128): v128 {
  return i32x4.add(
    i32x4.add(i32x4.dot_i16x8_s(v128.load8x8_s(w), x0), i32x4.dot_i16x8_s(v128.load8x8_s(w, 8), x1)),
    i32x4.add(i32x4.dot_i16x8_s(v128.load8x8_s(w, 16), x2), i32x4.dot_i16x8_s(v128.load8x8_s(w, 24), x3)),
  )
}
