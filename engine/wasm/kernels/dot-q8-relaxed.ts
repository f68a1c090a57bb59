// Products with q8_0 weights by relaxed SIMD, with the same bits as those of `dot-blocks.ts`, and from the same memory: four
// columns of four rows are sixteen bytes, and a dot product adds up each row's four, in its lane.
//
// The bytes of a relaxed dot product's second operand are signed on some machines and unsigned on others, so they are kept
// to 7 bits: then all agree. `halve` of `quantize.ts` makes two such of an activation plus 8192, which itself is 128 * 64.

import { count } from './count'

/** As `dotsInBlocks` of `dot-blocks.ts`, for as many rows as N counts, with their activations halved. */
export function dotsRelaxed<N>(out: usize, x: usize, w: usize, size: u32): void {
  const rows = count<N>()
  // V8 makes a constant anew for each use; what was loaded stays in its register.
  v128.store(out, i8x16.splat(64))
  const tooMuch = v128.load(out)
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  for (const end = x + size * 2 * rows; x < end; w += 16) {
    let less = i32x4.splat(0)
    let low0 = less
    let high0 = less
    let low1 = less
    let high1 = less
    let low2 = less
    let high2 = less
    let low3 = less
    let high3 = less
    for (const scales = w + 128; w < scales; w += 16) {
      const weights = v128.load(w)
      less = dot(weights, tooMuch, less)
      low0 = dot(weights, v128.load32_splat(x), low0)
      high0 = dot(weights, v128.load32_splat(x, 4), high0)
      if (rows > 1) {
        low1 = dot(weights, v128.load32_splat(x, 8), low1)
        high1 = dot(weights, v128.load32_splat(x, 12), high1)
      }
      if (rows > 2) {
        low2 = dot(weights, v128.load32_splat(x, 16), low2)
        high2 = dot(weights, v128.load32_splat(x, 20), high2)
      }
      if (rows > 3) {
        low3 = dot(weights, v128.load32_splat(x, 24), low3)
        high3 = dot(weights, v128.load32_splat(x, 28), high3)
      }
      x += rows * 8
    }
    const scales = v128.load(w)
    s0 = addBlock(s0, low0, high0, less, scales)
    if (rows > 1) s1 = addBlock(s1, low1, high1, less, scales)
    if (rows > 2) s2 = addBlock(s2, low2, high2, less, scales)
    if (rows > 3) s3 = addBlock(s3, low3, high3, less, scales)
  }
  v128.store(out, s0)
  if (rows > 1) v128.store(out, s1, 16)
  if (rows > 2) v128.store(out, s2, 32)
  if (rows > 3) v128.store(out, s3, 48)
}

function dot(w: v128, x: v128, sum: v128): v128 {
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(w, x, sum)
}

/** `less` is what the products with high halves have too much, for activations were raised. */
function addBlock(sum: v128, low: v128, high: v128, less: v128, scales: v128): v128 {
  const block = i32x4.add(low, i32x4.shl(i32x4.sub(high, less), 7))
  return f32x4.add(sum, f32x4.mul(scales, f32x4.convert_i32x4_s(block)))
}
