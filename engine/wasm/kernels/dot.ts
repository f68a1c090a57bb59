// Products of rows, four at a time. A product's value does not depend on what is computed beside it: its sum runs in one
// order, element i being added to lane i % 4, and the lanes at last as (0 + 1) + (2 + 3).
//
// W says how the elements of a weight row lie in memory: `f32`, or `u16` for bf16 in the groups of eight of `pack.ts`.

/** The products of `x` with four rows of `size` elements. */
export function dots<W>(x: usize, w0: usize, w1: usize, w2: usize, w3: usize, size: u32): v128 {
  let a = f32x4.splat(0)
  let b = a
  let c = a
  let d = a
  const end = x + ((<usize>size & ~7) << 2)
  for (; x < end; x += 32) {
    let own = v128.load(x)
    a = madd(a, own, low<W>(w0))
    b = madd(b, own, low<W>(w1))
    c = madd(c, own, low<W>(w2))
    d = madd(d, own, low<W>(w3))
    own = v128.load(x, 16)
    a = madd(a, own, high<W>(w0))
    b = madd(b, own, high<W>(w1))
    c = madd(c, own, high<W>(w2))
    d = madd(d, own, high<W>(w3))
    w0 += 8 * sizeof<W>()
    w1 += 8 * sizeof<W>()
    w2 += 8 * sizeof<W>()
    w3 += 8 * sizeof<W>()
  }
  if (size & 7) {
    const first = lanes(size & 7)
    const last = lanes((size & 7) - 4)
    a = tail<W>(a, x, w0, first, last)
    b = tail<W>(b, x, w1, first, last)
    c = tail<W>(c, x, w2, first, last)
    d = tail<W>(d, x, w3, first, last)
  }
  return sums(a, b, c, d)
}

/** What `pairOfDots` found for its second row. */
export let ofSecond: v128 = f32x4.splat(0)

/** `dots` of `x`, and of `y` in `ofSecond`: each weight is loaded once for both. */
export function pairOfDots<W>(x: usize, y: usize, w0: usize, w1: usize, w2: usize, w3: usize, size: u32): v128 {
  let a = f32x4.splat(0)
  let b = a
  let c = a
  let d = a
  let e = a
  let f = a
  let g = a
  let h = a
  const end = (<usize>size & ~7) << 2
  for (let i: usize = 0; i < end; i += 32) {
    const k = sizeof<W>() == 4 ? i : i >> 1
    let own = v128.load(x + i)
    let other = v128.load(y + i)
    let weight = low<W>(w0 + k)
    a = madd(a, own, weight)
    e = madd(e, other, weight)
    weight = low<W>(w1 + k)
    b = madd(b, own, weight)
    f = madd(f, other, weight)
    weight = low<W>(w2 + k)
    c = madd(c, own, weight)
    g = madd(g, other, weight)
    weight = low<W>(w3 + k)
    d = madd(d, own, weight)
    h = madd(h, other, weight)
    own = v128.load(x + i, 16)
    other = v128.load(y + i, 16)
    weight = high<W>(w0 + k)
    a = madd(a, own, weight)
    e = madd(e, other, weight)
    weight = high<W>(w1 + k)
    b = madd(b, own, weight)
    f = madd(f, other, weight)
    weight = high<W>(w2 + k)
    c = madd(c, own, weight)
    g = madd(g, other, weight)
    weight = high<W>(w3 + k)
    d = madd(d, own, weight)
    h = madd(h, other, weight)
  }
  x += end
  y += end
  w0 += end / (4 / sizeof<W>())
  w1 += end / (4 / sizeof<W>())
  w2 += end / (4 / sizeof<W>())
  w3 += end / (4 / sizeof<W>())
  if (size & 7) {
    const first = lanes(size & 7)
    const last = lanes((size & 7) - 4)
    a = tail<W>(a, x, w0, first, last)
    b = tail<W>(b, x, w1, first, last)
    c = tail<W>(c, x, w2, first, last)
    d = tail<W>(d, x, w3, first, last)
    e = tail<W>(e, y, w0, first, last)
    f = tail<W>(f, y, w1, first, last)
    g = tail<W>(g, y, w2, first, last)
    h = tail<W>(h, y, w3, first, last)
  }
  ofSecond = sums(e, f, g, h)
  return sums(a, b, c, d)
}

/** The last elements, fewer than eight; what lies behind them in memory is left out. */
function tail<W>(sum: v128, x: usize, w: usize, first: v128, last: v128): v128 {
  sum = madd(sum, v128.and(v128.load(x), first), v128.and(low<W>(w), first))
  return madd(sum, v128.and(v128.load(x, 16), last), v128.and(high<W>(w), last))
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

/** A mask of the first `count` lanes; of none below 1, of all from 4 on. */
export function lanes(count: i32): v128 {
  return i32x4.gt_s(i32x4.splat(count), i32x4(0, 1, 2, 3))
}

/** The sum of each vector's lanes. */
export function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(f32x4.shuffle(a, b, 0, 4, 2, 6), f32x4.shuffle(a, b, 1, 5, 3, 7))
  const cd = f32x4.add(f32x4.shuffle(c, d, 0, 4, 2, 6), f32x4.shuffle(c, d, 1, 5, 3, 7))
  return f32x4.add(f32x4.shuffle(ab, cd, 0, 1, 4, 5), f32x4.shuffle(ab, cd, 2, 3, 6, 7))
}

/** The sum of the lanes, in the same order. */
export function sum(a: v128): f32 {
  return f32x4.extract_lane(a, 0) + f32x4.extract_lane(a, 1) + (f32x4.extract_lane(a, 2) + f32x4.extract_lane(a, 3))
}
