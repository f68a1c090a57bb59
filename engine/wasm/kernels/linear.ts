// Matrix product with a weight stored as [out, in]. Nearly all time goes here.

import { scratch, share } from './control'
import { dotRows, dots4x2, sums, togetherOf } from './dot'
import { dotsInBlocks, groupBytes, togetherInBlocks } from './dot-blocks'
import { blockSums, halve, quantize } from './quantize'
import { storeSome } from './store'
import { rowBytes, typeBF16, typeF32, typeQ4, typeQ8 } from './weights'

/** `out [rows, outSize] = x [rows, inSize] * weight^T + bias + residual`; bias and residual may be 0, for none. */
@unmanaged
export class Linear {
  out: usize
  x: usize
  weight: usize
  type: u32
  bias: usize
  residual: usize
  rows: u32
  inSize: u32
  outSize: u32
}

/** Whether the host has linked the `product` of `relaxed.ts`: where its instructions are known, and faster. */
declare const hasRelaxed: bool
declare function productRelaxed(c: usize, from: u32, to: u32, own: usize): void

/** Threads take blocks of four outputs. */
export function linear(c: Linear, thread: u32, threads: u32): void {
  const blocks = (c.outSize + 3) >> 2
  const from = share(blocks, thread, threads) << 2
  const to = min(share(blocks, thread + 1, threads) << 2, c.outSize)
  if (from >= to) return
  if (c.type == typeF32) product<f32>(c, from, to, scratch(thread))
  else if (c.type == typeBF16) product<u16>(c, from, to, scratch(thread))
  else if (c.type == typeQ8 && hasRelaxed) productRelaxed(changetype<usize>(c), from, to, scratch(thread))
  else if (c.type == typeQ8) productInBlocks<i8>(c, from, to, scratch(thread))
  else if (c.type == typeQ4) productInBlocks<u16>(c, from, to, scratch(thread))
  else productInBlocks<u32>(c, from, to, scratch(thread))
}

/**
 * Outputs `from .. to - 1` of every row: four weight rows at a time, which stay in the cache for all rows of `x`. Each is
 * read from its first element to its last, so that memory is read in one stream: twice as fast as four at once.
 */
function product<W>(c: Linear, from: u32, to: u32, parts: usize): void {
  const inSize = c.inSize
  const bytes = rowBytes(c.type, inSize)
  const stride = inSize * 4
  for (let o = from; o < to; o += 4) {
    // Past the last output the last row stands in, and what comes of it is not stored.
    const last = to - 1
    const w0 = c.weight + <usize>o * bytes
    const w1 = c.weight + <usize>min(o + 1, last) * bytes
    const w2 = c.weight + <usize>min(o + 2, last) * bytes
    const w3 = c.weight + <usize>min(o + 3, last) * bytes
    for (let row: u32 = 0, count: u32 = 0; row < c.rows; row += count) {
      const x = c.x + row * stride
      const left = c.rows - row
      // What the first rows have brought into the cache may be read in any order.
      if (sizeof<W>() == 4 && row > 0 && left > 1 && o + 4 <= to) {
        count = 2
        dots4x2(parts, x, stride, w0, bytes, inSize)
      } else {
        count = togetherOf<W>(left, inSize)
        dotRows<W>(parts, 64, x, stride, count, w0, inSize)
        dotRows<W>(parts + 16, 64, x, stride, count, w1, inSize)
        dotRows<W>(parts + 32, 64, x, stride, count, w2, inSize)
        dotRows<W>(parts + 48, 64, x, stride, count, w3, inSize)
      }
      for (let i: u32 = 0; i < count; i++) {
        const at = parts + i * 64
        finish(c, row + i, o, to, sums(v128.load(at), v128.load(at, 16), v128.load(at, 32), v128.load(at, 48)))
      }
    }
  }
}

/**
 * The same for types in blocks, with the rows of `x` quantised first, by each thread for itself: that is quicker than to
 * wait for it.
 */
export function productInBlocks<T>(c: Linear, from: u32, to: u32, own: usize): void {
  const inSize = c.inSize
  const blocks = inSize >> 5
  const bytes = inSize * 2
  const scales = own + c.rows * bytes
  const allSums = scales + c.rows * 4
  const products = allSums + c.rows * blocks * 4
  for (let row: u32 = 0, count: u32 = 0; row < c.rows; row += count) {
    count = togetherInBlocks<T>(c.rows - row)
    for (let i: u32 = 0; i < count; i++) {
      const x = own + row * bytes + i * 8
      store<f32>(scales + (row + i) * 4, quantize(x, count * 8, c.x + (row + i) * inSize * 4, inSize))
      if (sizeof<T>() > 1) blockSums(allSums + (row * blocks + i) * 4, x, count, inSize)
    }
  }
  if (ASC_FEATURE_RELAXED_SIMD) halve(own, c.rows * bytes)
  const step = blocks * groupBytes<T>()
  let group = c.weight + <usize>(from >> 2) * step
  for (let o = from; o < to; o += 4) {
    for (let row: u32 = 0, count: u32 = 0; row < c.rows; row += count) {
      count = togetherInBlocks<T>(c.rows - row)
      dotsInBlocks<T>(products, own + row * bytes, allSums + row * blocks * 4, count, group, inSize)
      for (let i: u32 = 0; i < count; i++) {
        const scale = v128.load32_splat(scales + (row + i) * 4)
        finish(c, row + i, o, to, f32x4.mul(scale, v128.load(products + i * 16)))
      }
    }
    group += step
  }
}

/** Adds what is to be added, and stores the outputs before `to`. */
function finish(c: Linear, row: u32, o: u32, to: u32, sum: v128): void {
  const at = (row * c.outSize + o) * 4
  if (c.bias) sum = f32x4.add(sum, v128.load(c.bias + o * 4))
  if (c.residual) sum = f32x4.add(sum, v128.load(c.residual + at))
  storeSome(c.out + at, sum, to - o)
}
