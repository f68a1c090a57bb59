// Products with q8_0, q4_0 and q4_1 weights, in integers: exact within a block of 32, so that no machine and no instruction
// can differ. T says which type: `i8`, `u16` or `u32`, the last two being as large as a row's scale and offset in a block.
//
// A q4 weight is `scale * q + offset`, q from 0 to 15, and in q4_0 the offset is -8 scales. So a block's product is scale
// times the product of the q, plus offset times the sum of the activations.
//
// Weights come in groups of four rows, block by block, as `pack.ts` lays them out: four columns of each row, the next four,
// and so on. So a vector of eight weights, in 16 bits, has four columns of two rows, and meets the same four of a row of `x`
// in both its halves; the lanes of a sum in f32 are the four rows.

import { count } from './count'
import { dotsRelaxed } from './dot-q8-relaxed'

/** Bytes of the weights of a block of four rows. */
export function weightBytes<T>(): u32 {
  return sizeof<T>() == 1 ? 128 : 64
}

/** Bytes of a block of four rows, with its scales and offsets. */
export function groupBytes<T>(): u32 {
  return weightBytes<T>() + (sizeof<T>() == 1 ? 16 : 4 * sizeof<T>())
}

/** How many of so many rows of `x` are computed together, so that each weight is unpacked once for all of them. */
export function togetherInBlocks<T>(rows: u32): u32 {
  // For more there are no registers; q4 needs three of them to unpack.
  const most: u32 = sizeof<T>() == 1 ? 4 : 3
  return rows == most + 1 || rows == most + 2 ? (rows + 1) >> 1 : min<u32>(rows, most)
}

/**
 * The products of up to four rows of quantised `x` with the four rows of a group, less the scales of `x`: a vector for each
 * at `out`. `x` has four columns of each of its rows, the next four of each, and so on; `blockSums` each row's sum of the first
 * block, of the second, and so on.
 */
export function dotsInBlocks<T>(out: usize, x: usize, blockSums: usize, rows: u32, w: usize, size: u32): void {
  if (rows == 1) dots<T, u8>(out, x, blockSums, w, size)
  else if (rows == 2) dots<T, u16>(out, x, blockSums, w, size)
  else if (rows == 3) dots<T, u32>(out, x, blockSums, w, size)
  else if (sizeof<T>() == 1) dots<T, u64>(out, x, blockSums, w, size)
}

function dots<T, N>(out: usize, x: usize, blockSums: usize, w: usize, size: u32): void {
  if (sizeof<T>() == 1 && ASC_FEATURE_RELAXED_SIMD) dotsRelaxed<N>(out, x, w, size)
  else if (count<N>() == 1) v128.store(out, alone<T>(x, blockSums, w, size))
  else together<T, N>(out, x, blockSums, w, size)
}

/** For one row there are registers for sixteen columns at once, which makes it a sixth faster. */
function alone<T>(x: usize, blockSums: usize, w: usize, size: u32): v128 {
  let sum = f32x4.splat(0)
  for (const end = x + size * 2; x < end; ) {
    let a = i32x4.splat(0)
    let b = a
    for (const blockEnd = x + 64; x < blockEnd; x += 32) {
      const x0 = v128.load64_splat(x)
      const x1 = v128.load64_splat(x, 8)
      const x2 = v128.load64_splat(x, 16)
      const x3 = v128.load64_splat(x, 24)
      if (sizeof<T>() == 1) {
        a = add(add(a, v128.load8x8_s(w), x0), v128.load8x8_s(w, 16), x1)
        b = add(add(b, v128.load8x8_s(w, 8), x0), v128.load8x8_s(w, 24), x1)
        a = add(add(a, v128.load8x8_s(w, 32), x2), v128.load8x8_s(w, 48), x3)
        b = add(add(b, v128.load8x8_s(w, 40), x2), v128.load8x8_s(w, 56), x3)
      } else {
        const low = i16x8.splat(15)
        const u = v128.load(w)
        const v = v128.load(w, 16)
        a = add(add(a, v128.and(u, low), x0), v128.and(i16x8.shr_u(u, 4), low), x1)
        b = add(add(b, v128.and(v, low), x0), v128.and(i16x8.shr_u(v, 4), low), x1)
        a = add(add(a, v128.and(i16x8.shr_u(u, 8), low), x2), i16x8.shr_u(u, 12), x3)
        b = add(add(b, v128.and(i16x8.shr_u(v, 8), low), x2), i16x8.shr_u(v, 12), x3)
      }
      w += weightBytes<T>() >> 1
    }
    const scales = scalesOf<T>(w)
    sum = addBlock<T>(sum, a, b, scales, offsetsOf<T>(w, scales), blockSums)
    blockSums += 4
    w += groupBytes<T>() - weightBytes<T>()
  }
  return sum
}

function together<T, N>(out: usize, x: usize, blockSums: usize, w: usize, size: u32): void {
  const rows = count<N>()
  const low = i16x8.splat(15)
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  for (const end = x + size * 2 * rows; x < end; ) {
    let a0 = i32x4.splat(0)
    let b0 = a0
    let a1 = a0
    let b1 = a0
    let a2 = a0
    let b2 = a0
    let a3 = a0
    let b3 = a0
    for (const weightsEnd = w + weightBytes<T>(); w < weightsEnd; ) {
      // Two vectors of q4 have sixteen columns, four of them in the lowest bits; of q8_0 the whole block is read here.
      let u = low
      let v = low
      if (sizeof<T>() > 1) {
        u = v128.load(w)
        v = v128.load(w, 16)
        w += 32
      }
      for (const readEnd = x + rows * (sizeof<T>() == 1 ? 64 : 32); x < readEnd; x += rows * 8) {
        let wa: v128
        let wb: v128
        if (sizeof<T>() == 1) {
          wa = v128.load8x8_s(w)
          wb = v128.load8x8_s(w, 8)
          w += 16
        } else {
          wa = v128.and(u, low)
          wb = v128.and(v, low)
          u = i16x8.shr_u(u, 4)
          v = i16x8.shr_u(v, 4)
        }
        const x0 = v128.load64_splat(x)
        a0 = add(a0, wa, x0)
        b0 = add(b0, wb, x0)
        if (rows > 1) {
          const x1 = v128.load64_splat(x, 8)
          a1 = add(a1, wa, x1)
          b1 = add(b1, wb, x1)
        }
        if (rows > 2) {
          const x2 = v128.load64_splat(x, 16)
          a2 = add(a2, wa, x2)
          b2 = add(b2, wb, x2)
        }
        if (rows > 3) {
          const x3 = v128.load64_splat(x, 24)
          a3 = add(a3, wa, x3)
          b3 = add(b3, wb, x3)
        }
      }
    }
    const scales = scalesOf<T>(w)
    const offsets = offsetsOf<T>(w, scales)
    s0 = addBlock<T>(s0, a0, b0, scales, offsets, blockSums)
    if (rows > 1) s1 = addBlock<T>(s1, a1, b1, scales, offsets, blockSums + 4)
    if (rows > 2) s2 = addBlock<T>(s2, a2, b2, scales, offsets, blockSums + 8)
    if (rows > 3) s3 = addBlock<T>(s3, a3, b3, scales, offsets, blockSums + 12)
    blockSums += rows * 4
    w += groupBytes<T>() - weightBytes<T>()
  }
  v128.store(out, s0)
  if (rows > 1) v128.store(out, s1, 16)
  if (rows > 2) v128.store(out, s2, 32)
  if (rows > 3) v128.store(out, s3, 48)
}

function add(sum: v128, w: v128, x: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(w, x))
}

/** Adds the products of a block; of its whole numbers, `a` has two parts for each of the first two rows, `b` for the others. */
function addBlock<T>(sum: v128, a: v128, b: v128, scales: v128, offsets: v128, blockSum: usize): v128 {
  const block = i32x4.add(i32x4.shuffle(a, b, 0, 2, 4, 6), i32x4.shuffle(a, b, 1, 3, 5, 7))
  sum = f32x4.add(sum, f32x4.mul(scales, f32x4.convert_i32x4_s(block)))
  return sizeof<T>() == 1 ? sum : f32x4.add(sum, f32x4.mul(offsets, v128.load32_splat(blockSum)))
}

/** The scales of a block, which are behind its weights. */
export function scalesOf<T>(at: usize): v128 {
  return sizeof<T>() == 1 ? v128.load(at) : halves(at)
}

/** What is added to each of its q4 weights. */
export function offsetsOf<T>(at: usize, scales: v128): v128 {
  if (sizeof<T>() == 1) return f32x4.splat(0)
  return sizeof<T>() == 4 ? halves(at + 8) : f32x4.mul(scales, f32x4.splat(-8))
}

/** Four finite f16 as f32: exponent and fraction where f32 has them, then the difference of the exponents' zeros. Exact. */
function halves(at: usize): v128 {
  const bits = v128.and(i32x4.shl(v128.load16x4_s(at), 13), i32x4.splat(0x8fffe000))
  return f32x4.mul(bits, f32x4.splat(<f32>2 ** 112))
}
