// What the machine can do at most, from inside the engine: reading memory, and arithmetic that waits for nothing.

import { share } from './control'

/** Reads `bytes` of memory from `from` on, `repeats` times; each thread writes what it read, added up, to its word of `out`. */
@unmanaged
export class ReadAll {
  out: usize
  from: usize
  bytes: u32
  repeats: u32
}

/** Threads take ranges of whole 64 bytes. */
export function readAll(c: ReadAll, thread: u32, threads: u32): void {
  const lines = c.bytes >> 6
  const from = c.from + (share(lines, thread, threads) << 6)
  const to = c.from + (share(lines, thread + 1, threads) << 6)
  let a = i32x4.splat(0)
  let b = a
  let d = a
  let e = a
  for (let i: u32 = 0; i < c.repeats; i++) {
    for (let at = from; at < to; at += 64) {
      a = i32x4.add(a, v128.load(at))
      b = i32x4.add(b, v128.load(at, 16))
      d = i32x4.add(d, v128.load(at, 32))
      e = i32x4.add(e, v128.load(at, 48))
    }
  }
  store<i32>(c.out + thread * 4, i32x4.extract_lane(i32x4.add(i32x4.add(a, b), i32x4.add(d, e)), 0))
}

/** Multiplies and adds, `repeats` times in every thread: twelve vectors of f32, or of pairs of 16 bits. */
@unmanaged
export class Multiply {
  out: usize
  inPairs: u32
  repeats: u32
}

/** Multiplications and additions of a repeat. */
export function multiply(c: Multiply, thread: u32): void {
  const sum = c.inPairs ? multiplyPairs(c.repeats) : multiplyFloats(c.repeats)
  store<i32>(c.out + thread * 4, i32x4.extract_lane(sum, 0))
}

/** Twelve chains, so that none of them is waited for. */
function multiplyFloats(repeats: u32): v128 {
  const factor = f32x4.splat(0.75)
  const step = f32x4.splat(0.25)
  let a = f32x4.splat(0)
  let b = f32x4.splat(1)
  let c = f32x4.splat(2)
  let d = f32x4.splat(3)
  let e = f32x4.splat(4)
  let f = f32x4.splat(5)
  let g = f32x4.splat(6)
  let h = f32x4.splat(7)
  let i = f32x4.splat(8)
  let j = f32x4.splat(9)
  let k = f32x4.splat(10)
  let l = f32x4.splat(11)
  for (; repeats > 0; repeats--) {
    a = f32x4.add(f32x4.mul(a, factor), step)
    b = f32x4.add(f32x4.mul(b, factor), step)
    c = f32x4.add(f32x4.mul(c, factor), step)
    d = f32x4.add(f32x4.mul(d, factor), step)
    e = f32x4.add(f32x4.mul(e, factor), step)
    f = f32x4.add(f32x4.mul(f, factor), step)
    g = f32x4.add(f32x4.mul(g, factor), step)
    h = f32x4.add(f32x4.mul(h, factor), step)
    i = f32x4.add(f32x4.mul(i, factor), step)
    j = f32x4.add(f32x4.mul(j, factor), step)
    k = f32x4.add(f32x4.mul(k, factor), step)
    l = f32x4.add(f32x4.mul(l, factor), step)
  }
  return total(total(a, b, c, d), total(e, f, g, h), total(i, j, k, l), step)
}

function multiplyPairs(repeats: u32): v128 {
  const factor = i16x8.splat(3)
  const step = i32x4.splat(5)
  let a = i32x4.splat(0)
  let b = i32x4.splat(1)
  let c = i32x4.splat(2)
  let d = i32x4.splat(3)
  let e = i32x4.splat(4)
  let f = i32x4.splat(5)
  let g = i32x4.splat(6)
  let h = i32x4.splat(7)
  let i = i32x4.splat(8)
  let j = i32x4.splat(9)
  let k = i32x4.splat(10)
  let l = i32x4.splat(11)
  for (; repeats > 0; repeats--) {
    a = i32x4.add(i32x4.dot_i16x8_s(a, factor), step)
    b = i32x4.add(i32x4.dot_i16x8_s(b, factor), step)
    c = i32x4.add(i32x4.dot_i16x8_s(c, factor), step)
    d = i32x4.add(i32x4.dot_i16x8_s(d, factor), step)
    e = i32x4.add(i32x4.dot_i16x8_s(e, factor), step)
    f = i32x4.add(i32x4.dot_i16x8_s(f, factor), step)
    g = i32x4.add(i32x4.dot_i16x8_s(g, factor), step)
    h = i32x4.add(i32x4.dot_i16x8_s(h, factor), step)
    i = i32x4.add(i32x4.dot_i16x8_s(i, factor), step)
    j = i32x4.add(i32x4.dot_i16x8_s(j, factor), step)
    k = i32x4.add(i32x4.dot_i16x8_s(k, factor), step)
    l = i32x4.add(i32x4.dot_i16x8_s(l, factor), step)
  }
  return total(total(a, b, c, d), total(e, f, g, h), total(i, j, k, l), step)
}

function total(a: v128, b: v128, c: v128, d: v128): v128 {
  return i32x4.add(i32x4.add(a, b), i32x4.add(c, d))
}
