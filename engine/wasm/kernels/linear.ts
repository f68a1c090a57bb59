// Matrix product with a weight stored as [out, in]. Nearly all time goes here.

import { scratch, share } from './control'
import { dotRows, sums, togetherOf } from './dot'
import { dotsQ4, scalesQ4 } from './dot-q4'
import { dotsQ8 } from './dot-q8'
import { blockSums, quantize } from './quantize'
import { groupBytes, rowBytes, typeBF16, typeF32, typeQ4, typeQ8, typeQ8Relaxed } from './weights'

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

/** `product` of `dot-q8-relaxed.ts`, which the host links where there are its instructions. */
declare function productRelaxed(c: usize, from: u32, to: u32, own: usize): void

/** Threads take blocks of four outputs. */
export function linear(c: Linear, thread: u32, threads: u32): void {
  const blocks = (c.outSize + 3) >> 2
  const from = share(blocks, thread, threads) << 2
  const to = min(share(blocks, thread + 1, threads) << 2, c.outSize)
  if (from >= to) return
  if (c.type == typeF32) product<f32>(c, from, to, scratch(thread))
  else if (c.type == typeBF16) product<u16>(c, from, to, scratch(thread))
  else if (c.type == typeQ8Relaxed) productRelaxed(changetype<usize>(c), from, to, scratch(thread))
  else productInBlocks(c, from, to, scratch(thread))
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
      count = togetherOf(c.rows - row, inSize)
      dotRows<W>(parts, 64, x, stride, count, w0, inSize)
      dotRows<W>(parts + 16, 64, x, stride, count, w1, inSize)
      dotRows<W>(parts + 32, 64, x, stride, count, w2, inSize)
      dotRows<W>(parts + 48, 64, x, stride, count, w3, inSize)
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
function productInBlocks(c: Linear, from: u32, to: u32, own: usize): void {
  const inSize = c.inSize
  const blocks = inSize >> 5
  const bytes = inSize * 2
  const scales = own + c.rows * bytes
  const allSums = scales + c.rows * 4
  const weightScales = allSums + c.rows * blocks * 4
  for (let row: u32 = 0; row < c.rows; row++) {
    const quantized = own + row * bytes
    store<f32>(scales + row * 4, quantize(quantized, c.x + row * inSize * 4, inSize))
    if (c.type != typeQ8) blockSums(allSums + row * blocks * 4, quantized, inSize)
  }
  const step = blocks * groupBytes(c.type)
  let group = c.weight + <usize>(from >> 2) * step
  for (let o = from; o < to; o += 4) {
    if (c.type == typeQ4) scalesQ4<u16>(weightScales, group, inSize)
    else if (c.type != typeQ8) scalesQ4<u32>(weightScales, group, inSize)
    for (let row: u32 = 0; row < c.rows; row++) {
      const x = own + row * bytes
      const sumsOfRow = allSums + row * blocks * 4
      let products: v128
      if (c.type == typeQ8) products = dotsQ8(x, group, inSize)
      else if (c.type == typeQ4) products = dotsQ4<u16>(x, sumsOfRow, group, weightScales, inSize)
      else products = dotsQ4<u32>(x, sumsOfRow, group, weightScales, inSize)
      finish(c, row, o, to, f32x4.mul(v128.load32_splat(scales + row * 4), products))
    }
    group += step
  }
}

/** Adds what is to be added, and stores the outputs before `to`. */
export function finish(c: Linear, row: u32, o: u32, to: u32, sum: v128): void {
  const at = (row * c.outSize + o) * 4
  if (c.bias) sum = f32x4.add(sum, v128.load(c.bias + o * 4))
  if (c.residual) sum = f32x4.add(sum, v128.load(c.residual + at))
  if (o + 4 <= to) v128.store(c.out + at, sum)
  else storeSome(c.out + at, sum, to - o)
}

/** The first `count` lanes, fewer than four. */
function storeSome(at: usize, values: v128, count: u32): void {
  store<f32>(at, f32x4.extract_lane(values, 0))
  if (count > 1) store<f32>(at + 4, f32x4.extract_lane(values, 1))
  if (count > 2) store<f32>(at + 8, f32x4.extract_lane(values, 2))
}
