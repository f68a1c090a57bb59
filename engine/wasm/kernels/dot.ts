// Products of rows. Element i of a product goes to lane i % 4 of sum (i / 4) % 4, and the sums are added up in one order:
// the same for every product, whatever is computed beside it.
//
// W says how the elements of a weight row lie in memory: `f32`, or `u16` for bf16 in the groups of eight of `pack.ts`.

/** The products of `x` with four rows of `size` elements. */
export function dots<W>(x: usize, w0: usize, w1: usize, w2: usize, w3: usize, size: u32): v128 {
  return sums(dot<W>(x, w0, size), dot<W>(x, w1, size), dot<W>(x, w2, size), dot<W>(x, w3, size))
}

/** Four parts of a product, whose sum it is. */
function dot<W>(x: usize, w: usize, size: u32): v128 {
  // Four sums, so that an addition need not wait for the one before it.
  let a = f32x4.splat(0)
  let b = a
  let c = a
  let d = a
  for (const end = x + ((<usize>size & ~15) << 2); x < end; x += 64) {
    a = madd(a, v128.load(x), low<W>(w))
    b = madd(b, v128.load(x, 16), high<W>(w))
    w += 8 * sizeof<W>()
    c = madd(c, v128.load(x, 32), low<W>(w))
    d = madd(d, v128.load(x, 48), high<W>(w))
    w += 8 * sizeof<W>()
  }
  // The last elements, fewer than sixteen; what lies behind them in memory is left out.
  const rest = size & 15
  if (rest) {
    a = madd(a, first(v128.load(x), rest), first(low<W>(w), rest))
    b = madd(b, first(v128.load(x, 16), rest - 4), first(high<W>(w), rest - 4))
    w += 8 * sizeof<W>()
    c = madd(c, first(v128.load(x, 32), rest - 8), first(low<W>(w), rest - 8))
    d = madd(d, first(v128.load(x, 48), rest - 12), first(high<W>(w), rest - 12))
  }
  return f32x4.add(f32x4.add(a, b), f32x4.add(c, d))
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

/** The sum of each vector's lanes, as (0 + 1) + (2 + 3). */
export function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(f32x4.shuffle(a, b, 0, 4, 2, 6), f32x4.shuffle(a, b, 1, 5, 3, 7))
  const cd = f32x4.add(f32x4.shuffle(c, d, 0, 4, 2, 6), f32x4.shuffle(c, d, 1, 5, 3, 7))
  return f32x4.add(f32x4.shuffle(ab, cd, 0, 1, 4, 5), f32x4.shuffle(ab, cd, 2, 3, 6, 7))
}

/** The sum of one vector's lanes, in the same order. */
export function sum(a: v128): f32 {
  return f32x4.extract_lane(sums(a, a, a, a), 0)
}
