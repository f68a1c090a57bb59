// Products with q8_0 weights, in integers: exact within a block of 32, so that no machine and no instruction can differ.
// Activations are rounded to 14 bits, one scale for a row; 8 products of 14 and 8 bits fit the 24 bits that f32 counts to.
//
// Both sides have the pairs of sixteen elements in the order 0 2 4 6, 1 3 5 7: lane i then adds up elements 4i to 4i + 3,
// as the dot products of four bytes do that some machines have. Weights come in groups of four rows (see `pack.ts`): block
// by block, the 32 bytes of each row, then their four scales.

import { sums } from './dot'

/** Bytes of a block of four rows. */
export const groupBlockBytes: u32 = 144

const most: f32 = 8191

/** Rounds `size` activations to whole multiples of a scale, as i16, and returns the scale; no number if one of them is none. */
export function quantize(out: usize, x: usize, size: u32): f32 {
  let largest = f32x4.splat(0)
  const end = x + size * 4
  for (let at = x; at < end; at += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(at)))
  largest = f32x4.max(largest, i64x2.shuffle(largest, largest, 1, 0))
  const highest = f32x4.extract_lane(f32x4.max(largest, f32x4.shuffle(largest, largest, 1, 0, 3, 2)), 0)
  const steps = f32x4.splat(highest == 0 ? 0 : most / highest)
  for (; x < end; x += 64) {
    const first = i16x8.narrow_i32x4_s(steppedTo(x, steps), steppedTo(x + 16, steps))
    const second = i16x8.narrow_i32x4_s(steppedTo(x + 32, steps), steppedTo(x + 48, steps))
    v128.store(out, i32x4.shuffle(first, second, 0, 2, 4, 6))
    v128.store(out, i32x4.shuffle(first, second, 1, 3, 5, 7), 16)
    out += 32
  }
  return highest / most
}

function steppedTo(x: usize, steps: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), steps)))
}

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
    a = scaled(a, f32x4.shuffle(scales, scales, 0, 0, 0, 0), blockSum(w, x0, x1, x2, x3))
    b = scaled(b, f32x4.shuffle(scales, scales, 1, 1, 1, 1), blockSum(w + 32, x0, x1, x2, x3))
    c = scaled(c, f32x4.shuffle(scales, scales, 2, 2, 2, 2), blockSum(w + 64, x0, x1, x2, x3))
    d = scaled(d, f32x4.shuffle(scales, scales, 3, 3, 3, 3), blockSum(w + 96, x0, x1, x2, x3))
    w += groupBlockBytes
  }
  return sums(a, b, c, d)
}

function scaled(sum: v128, scale: v128, block: v128): v128 {
  return f32x4.add(sum, f32x4.mul(scale, f32x4.convert_i32x4_s(block)))
}

/** Four sums of eight products: one row's 32 weights at `w`, times 32 activations. */
function blockSum(w: usize, x0: v128, x1: v128, x2: v128, x3: v128): v128 {
  return i32x4.add(
    i32x4.add(i32x4.dot_i16x8_s(v128.load8x8_s(w), x0), i32x4.dot_i16x8_s(v128.load8x8_s(w, 8), x1)),
    i32x4.add(i32x4.dot_i16x8_s(v128.load8x8_s(w, 16), x2), i32x4.dot_i16x8_s(v128.load8x8_s(w, 24), x3)),
  )
}
