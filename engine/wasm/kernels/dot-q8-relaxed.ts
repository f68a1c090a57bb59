// Products with q8_0 weights by relaxed SIMD, with the same bits as those of `dot-q8.ts`. The entry of a module of its own,
// for one with such instructions compiles only where they are known.
//
// The bytes of a relaxed dot product's second operand are signed on some machines and unsigned on others, so they are kept
// to 7 bits: then all agree. An activation plus 8192 is `low + 128 * high`, two such halves; 8192 itself is 128 * 64.
//
// Lane i of a dot product adds up bytes 4i to 4i + 3. Of weights in their own order those are the elements that lane i of
// `dot-q8.ts` adds up, and whole numbers have one sum in any order.

import { addScaled, sums } from './dot'
import { groupBytesQ8 } from './dot-q8'
import { finish, Linear } from './linear'
import { quantize } from './quantize'

/** Outputs `from .. to - 1` of every row, with memory at `own` for the quantised rows, their scales, and a vector. */
export function product(c: Linear, from: u32, to: u32, own: usize): void {
  const inSize = c.inSize
  const bytes = inSize * 2
  const scales = own + c.rows * bytes
  for (let row: u32 = 0; row < c.rows; row++) {
    store<f32>(scales + row * 4, quantize(own + row * bytes, c.x + row * inSize * 4, inSize))
    halve(own + row * bytes, inSize)
  }
  // V8 makes a constant anew for each use; what was loaded stays in its register.
  const behind = scales + c.rows * 4
  v128.store(behind, i8x16.splat(64))
  const tooMuch = v128.load(behind)
  const step = (inSize >> 5) * groupBytesQ8
  let group = c.weight + <usize>(from >> 2) * step
  for (let o = from; o < to; o += 4) {
    for (let row: u32 = 0; row < c.rows; row++) {
      const products = dots(own + row * bytes, group, inSize, tooMuch)
      finish(c, row, o, to, f32x4.mul(v128.load32_splat(scales + row * 4), products))
    }
    group += step
  }
}

/** Splits quantised activations: of each 32, the lower halves of all, then the upper, in their own order. */
function halve(x: usize, size: u32): void {
  for (const end = x + size * 2; x < end; x += 64) {
    const a = raised(x)
    const b = raised(x + 16)
    const c = raised(x + 32)
    const d = raised(x + 48)
    const low = i16x8.splat(127)
    v128.store(x, ordered(v128.and(a, low), v128.and(b, low)))
    v128.store(x, ordered(v128.and(c, low), v128.and(d, low)), 16)
    v128.store(x, ordered(i16x8.shr_u(a, 7), i16x8.shr_u(b, 7)), 32)
    v128.store(x, ordered(i16x8.shr_u(c, 7), i16x8.shr_u(d, 7)), 48)
  }
}

function raised(at: usize): v128 {
  return i16x8.add(v128.load(at), i16x8.splat(8192))
}

/** Sixteen words as bytes, their pairs no longer in the order of `quantize.ts`. */
function ordered(even: v128, odd: v128): v128 {
  const bytes = i8x16.narrow_i16x8_u(even, odd)
  return i16x8.shuffle(bytes, bytes, 0, 4, 1, 5, 2, 6, 3, 7)
}

/** The products of halved `x` with the four rows of a group, less the scale of `x`. */
function dots(x: usize, w: usize, size: u32, tooMuch: v128): v128 {
  let a = f32x4.splat(0)
  let b = a
  let c = a
  let d = a
  for (const end = x + size * 2; x < end; x += 64) {
    const low0 = v128.load(x)
    const low1 = v128.load(x, 16)
    const high0 = v128.load(x, 32)
    const high1 = v128.load(x, 48)
    const scales = v128.load(w, 128)
    a = addScaled(a, f32x4.shuffle(scales, scales, 0, 0, 0, 0), blockSum(w, low0, low1, high0, high1, tooMuch))
    b = addScaled(b, f32x4.shuffle(scales, scales, 1, 1, 1, 1), blockSum(w + 32, low0, low1, high0, high1, tooMuch))
    c = addScaled(c, f32x4.shuffle(scales, scales, 2, 2, 2, 2), blockSum(w + 64, low0, low1, high0, high1, tooMuch))
    d = addScaled(d, f32x4.shuffle(scales, scales, 3, 3, 3, 3), blockSum(w + 96, low0, low1, high0, high1, tooMuch))
    w += groupBytesQ8
  }
  return sums(a, b, c, d)
}

/** Four sums of eight products: one row's 32 weights at `w`, times 32 activations. */
function blockSum(w: usize, low0: v128, low1: v128, high0: v128, high1: v128, tooMuch: v128): v128 {
  const w0 = v128.load(w)
  const w1 = v128.load(w, 16)
  const high = i32x4.sub(dot(w0, high0, w1, high1), dot(w0, tooMuch, w1, tooMuch))
  return i32x4.add(dot(w0, low0, w1, low1), i32x4.shl(high, 7))
}

function dot(w0: v128, x0: v128, w1: v128, x1: v128): v128 {
  const first = i32x4.relaxed_dot_i8x16_i7x16_add_s(w0, x0, i32x4.splat(0))
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(w1, x1, first)
}
