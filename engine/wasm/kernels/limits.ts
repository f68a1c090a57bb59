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

export function multiply(c: Multiply, thread: u32): void {
  const sum = c.inPairs
    ? chains<i16>(c.repeats, i16x8.splat(3), i32x4.splat(5))
    : chains<f32>(c.repeats, f32x4.splat(0.75), f32x4.splat(0.25))
  store<i32>(c.out + thread * 4, i32x4.extract_lane(sum, 0))
}

/** Twelve chains of `a * factor + step`, so that none of them is waited for; T is what is multiplied. */
function chains<T>(repeats: u32, factor: v128, step: v128): v128 {
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
    a = link<T>(a, factor, step)
    b = link<T>(b, factor, step)
    c = link<T>(c, factor, step)
    d = link<T>(d, factor, step)
    e = link<T>(e, factor, step)
    f = link<T>(f, factor, step)
    g = link<T>(g, factor, step)
    h = link<T>(h, factor, step)
    i = link<T>(i, factor, step)
    j = link<T>(j, factor, step)
    k = link<T>(k, factor, step)
    l = link<T>(l, factor, step)
  }
  return total(total(a, b, c, d), total(e, f, g, h), total(i, j, k, l), step)
}

function link<T>(a: v128, factor: v128, step: v128): v128 {
  if (isFloat<T>()) return f32x4.add(f32x4.mul(a, factor), step)
  return i32x4.add(i32x4.dot_i16x8_s(a, factor), step)
}

function total(a: v128, b: v128, c: v128, d: v128): v128 {
  return i32x4.add(i32x4.add(a, b), i32x4.add(c, d))
}
