// Matrix product with a weight stored as [out, in]. Nearly all time goes here.

import { scratch, share } from './control'
import { dots } from './dot'
import { dotsQ8, groupBlockBytes, quantize } from './dot-q8'
import { rowBytes, typeBF16, typeF32 } from './weights'

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

/** Threads take blocks of four outputs. */
export function linear(c: Linear, thread: u32, threads: u32): void {
  const blocks = (c.outSize + 3) >> 2
  const from = share(blocks, thread, threads) << 2
  const to = min(share(blocks, thread + 1, threads) << 2, c.outSize)
  if (c.type == typeF32) product<f32>(c, from, to)
  else if (c.type == typeBF16) product<u16>(c, from, to)
  else productQ8(c, from, to, scratch(thread))
}

/**
 * Outputs `from .. to - 1` of every row: four weight rows at a time, which stay in the cache for all rows of `x`. Each is
 * read from its first element to its last, so that memory is read in one stream: twice as fast as four at once.
 */
function product<W>(c: Linear, from: u32, to: u32): void {
  const rows = c.rows
  const inSize = c.inSize
  const bytes = rowBytes(c.type, inSize)
  const width = inSize * 4
  for (let o = from; o < to; o += 4) {
    // Past the last output the last row stands in, and what comes of it is not stored.
    const last = to - 1
    const w0 = c.weight + <usize>o * bytes
    const w1 = c.weight + <usize>min(o + 1, last) * bytes
    const w2 = c.weight + <usize>min(o + 2, last) * bytes
    const w3 = c.weight + <usize>min(o + 3, last) * bytes
    for (let row: u32 = 0; row < rows; row++) {
      finish(c, row, o, to, dots<W>(c.x + row * width, w0, w1, w2, w3, inSize))
    }
  }
}

/** The same for q8_0, with the rows of `x` quantised first, by each thread for itself: that is quicker than to wait for it. */
function productQ8(c: Linear, from: u32, to: u32, own: usize): void {
  const inSize = c.inSize
  const bytes = inSize * 2
  const scales = own + c.rows * bytes
  for (let row: u32 = 0; row < c.rows; row++) {
    store<f32>(scales + row * 4, quantize(own + row * bytes, c.x + row * inSize * 4, inSize))
  }
  for (let o = from; o < to; o += 4) {
    const group = c.weight + (o >> 2) * (inSize >> 5) * groupBlockBytes
    for (let row: u32 = 0; row < c.rows; row++) {
      const sum = dotsQ8(own + row * bytes, group, inSize)
      finish(c, row, o, to, f32x4.mul(v128.load32_splat(scales + row * 4), sum))
    }
  }
}

/** Adds what is to be added, and stores the outputs before `to`. */
function finish(c: Linear, row: u32, o: u32, to: u32, sum: v128): void {
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
