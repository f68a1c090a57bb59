// Products of rows. Element i of a product goes to lane i % 4 of sum (i / 4) % 2, and the sums are added up in one order:
// the same for every product, whatever is computed beside it.
//
// W says how the elements of a weight row lie in memory: `f32`, or `u16` for bf16 in the groups of eight of `pack.ts`.
//
// V8 makes all loads of a loop's body first and needs a register for each, so bodies are small: no sum leaves its register.

/** Four parts of a product, whose sum it is. */
export function dot<W>(x: usize, w: usize, size: u32): v128 {
  let a = f32x4.splat(0)
  let b = a
  for (const end = x + whole(size); x < end; x += 32) {
    a = madd(a, v128.load(x), low<W>(w))
    b = madd(b, v128.load(x, 16), high<W>(w))
    w += 8 * sizeof<W>()
  }
  return withRest<W>(a, b, x, w, size)
}

/**
 * How many of so many rows of `x`, of `size` elements, are computed together, so that each element of a weight row is read
 * once for all of them. For more than three there are no registers, and long ones leave the cache. Of f32, those behind the
 * first are done in twos by `dots4x2`; of bf16, four are two and two.
 */
export function togetherOf<W>(rows: u32, size: u32): u32 {
  if (sizeof<W>() == 4 && rows > 3) return 2 + (rows & 1)
  return min<u32>(rows, rows == 4 || size > 768 ? 2 : 3)
}

/**
 * The products of a weight row with up to three rows of `x`, `stride` bytes apart, as four parts each: vectors at `out`,
 * `step` bytes apart.
 */
export function dotRows<W>(out: usize, step: usize, x: usize, stride: usize, rows: u32, w: usize, size: u32): void {
  if (rows == 1) v128.store(out, dot<W>(x, w, size))
  else if (rows == 2) dot2<W>(out, step, x, stride, w, size)
  else dot3<W>(out, step, x, stride, w, size)
}

function dot2<W>(out: usize, step: usize, x: usize, stride: usize, w: usize, size: u32): void {
  let y = x + stride
  let a = f32x4.splat(0)
  let b = a
  let c = a
  let d = a
  for (const end = x + whole(size); x < end; x += 32) {
    const w0 = low<W>(w)
    const w1 = high<W>(w)
    a = madd(a, v128.load(x), w0)
    b = madd(b, v128.load(x, 16), w1)
    c = madd(c, v128.load(y), w0)
    d = madd(d, v128.load(y, 16), w1)
    w += 8 * sizeof<W>()
    y += 32
  }
  v128.store(out, withRest<W>(a, b, x, w, size))
  v128.store(out + step, withRest<W>(c, d, y, w, size))
}

function dot3<W>(out: usize, step: usize, x: usize, stride: usize, w: usize, size: u32): void {
  let y = x + stride
  let z = y + stride
  let a = f32x4.splat(0)
  let b = a
  let c = a
  let d = a
  let e = a
  let f = a
  for (const end = x + whole(size); x < end; x += 32) {
    const w0 = low<W>(w)
    const w1 = high<W>(w)
    a = madd(a, v128.load(x), w0)
    b = madd(b, v128.load(x, 16), w1)
    c = madd(c, v128.load(y), w0)
    d = madd(d, v128.load(y, 16), w1)
    e = madd(e, v128.load(z), w0)
    f = madd(f, v128.load(z, 16), w1)
    w += 8 * sizeof<W>()
    y += 32
    z += 32
  }
  v128.store(out, withRest<W>(a, b, x, w, size))
  v128.store(out + step, withRest<W>(c, d, y, w, size))
  v128.store(out + 2 * step, withRest<W>(e, f, z, w, size))
}

/**
 * The products of two rows of `x`, `stride` bytes apart, with four weight rows of f32, which are `bytes` apart: four vectors
 * at `out` for each row of `x`. For weights in the cache only: from memory, four rows at once are read at half the speed.
 */
export function dots4x2(out: usize, x: usize, stride: usize, w: usize, bytes: usize, size: u32): void {
  // The sums of even vectors, then those of odd ones: there are no registers for both.
  half<u8>(out, x, stride, w, bytes, size)
  half<u16>(out, x, stride, w, bytes, size)
}

/** N is `u8` for even vectors, whose sums are stored, and `u16` for odd ones, whose sums are added to those. */
function half<N>(out: usize, x: usize, stride: usize, w: usize, bytes: usize, size: u32): void {
  const odd = sizeof<N>() - 1
  x += odd * 16
  w += odd * 16
  let y = x + stride
  let a0 = f32x4.splat(0)
  let a1 = a0
  let a2 = a0
  let a3 = a0
  let b0 = a0
  let b1 = a0
  let b2 = a0
  let b3 = a0
  for (const end = x + whole(size); x < end; x += 32) {
    const w0 = v128.load(w)
    const w1 = v128.load(w + bytes)
    const w2 = v128.load(w + 2 * bytes)
    const w3 = v128.load(w + 3 * bytes)
    const u = v128.load(x)
    a0 = madd(a0, u, w0)
    a1 = madd(a1, u, w1)
    a2 = madd(a2, u, w2)
    a3 = madd(a3, u, w3)
    const v = v128.load(y)
    b0 = madd(b0, v, w0)
    b1 = madd(b1, v, w1)
    b2 = madd(b2, v, w2)
    b3 = madd(b3, v, w3)
    w += 32
    y += 32
  }
  if (size & 7) {
    const rest = <i32>(size & 7) - 4 * <i32>odd
    const u = first(v128.load(x), rest)
    const v = first(v128.load(y), rest)
    const w0 = first(v128.load(w), rest)
    const w1 = first(v128.load(w + bytes), rest)
    const w2 = first(v128.load(w + 2 * bytes), rest)
    const w3 = first(v128.load(w + 3 * bytes), rest)
    a0 = madd(a0, u, w0)
    a1 = madd(a1, u, w1)
    a2 = madd(a2, u, w2)
    a3 = madd(a3, u, w3)
    b0 = madd(b0, v, w0)
    b1 = madd(b1, v, w1)
    b2 = madd(b2, v, w2)
    b3 = madd(b3, v, w3)
  }
  put<N>(out, a0, a1, a2, a3)
  put<N>(out + 64, b0, b1, b2, b3)
}

function put<N>(out: usize, a: v128, b: v128, c: v128, d: v128): void {
  const adds = sizeof<N>() == 2
  v128.store(out, adds ? f32x4.add(v128.load(out), a) : a)
  v128.store(out, adds ? f32x4.add(v128.load(out, 16), b) : b, 16)
  v128.store(out, adds ? f32x4.add(v128.load(out, 32), c) : c, 32)
  v128.store(out, adds ? f32x4.add(v128.load(out, 48), d) : d, 48)
}

/** Bytes of `x` in whole groups of eight elements. */
function whole(size: u32): usize {
  return (<usize>size & ~7) << 2
}

/** Adds the last elements, fewer than eight, which `x` and `w` point to, and adds up. */
function withRest<W>(a: v128, b: v128, x: usize, w: usize, size: u32): v128 {
  // What lies behind the last element in memory is left out.
  const rest = size & 7
  if (rest) {
    a = madd(a, first(v128.load(x), rest), first(low<W>(w), rest))
    b = madd(b, first(v128.load(x, 16), rest - 4), first(high<W>(w), rest - 4))
  }
  return f32x4.add(a, b)
}

/** Elements 0 to 3 of a group of eight. */
function low<W>(at: usize): v128 {
  return sizeof<W>() == 4 ? v128.load(at) : i32x4.shl(v128.load(at), 16)
}

/** Elements 4 to 7. */
function high<W>(at: usize): v128 {
  return sizeof<W>() == 4 ? v128.load(at, 16) : v128.and(v128.load(at), i32x4.splat(0xffff0000))
}

function madd(sum: v128, a: v128, b: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b))
}

/** The first `count` lanes, zero in the others. */
function first(values: v128, count: i32): v128 {
  return v128.and(values, lanes(count))
}

/** A mask of the first `count` lanes; of none below 1, of all from 4 on. */
export function lanes(count: i32): v128 {
  return i32x4.gt_s(i32x4.splat(count), i32x4(0, 1, 2, 3))
}

/** The sum of each vector's lanes, as (0 + 2) + (1 + 3). */
export function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  // Of a and b, then of c and d: lane 0 of each, then lane 1, with lanes 2 and 3 added to them.
  const ab = f32x4.add(f32x4.shuffle(a, b, 0, 4, 1, 5), f32x4.shuffle(a, b, 2, 6, 3, 7))
  const cd = f32x4.add(f32x4.shuffle(c, d, 0, 4, 1, 5), f32x4.shuffle(c, d, 2, 6, 3, 7))
  return f32x4.add(i64x2.shuffle(ab, cd, 0, 2), i64x2.shuffle(ab, cd, 1, 3))
}

/** The sum of one vector's lanes, in the same order. */
export function sum(a: v128): f32 {
  return f32x4.extract_lane(sums(a, a, a, a), 0)
}
