// Causal attention of grouped heads over cached keys and values (Vaswani et al. 2017; Ainslie et al. 2023).

import { data, scratch, share } from './control'
import { dotRows, lanes, sum, sums } from './dot'
import { exp } from './exp'
import { chunkPositions, Row, Run, runOf } from './rows'
import { storeSome } from './store'

/** `out` and `queries` `[rows, heads * headSize]`; `kvBytes` are those of a position's keys; `window` 0 is none. */
@unmanaged
export class Attention {
  out: usize
  queries: usize
  table: usize
  rows: u32
  heads: u32
  kvHeads: u32
  headSize: u32
  layer: u32
  kvBytes: u32
  window: u32
  scale: f32
}

/** Heads of a row that read the same keys, computed together: each key is read once for all of them. */
const mostTogether: u32 = 3

/**
 * Threads take heads of rows. Each sums over its positions in their order, so nothing depends on how memory is cut, nor on
 * which heads are computed together.
 */
export function attention(c: Attention, thread: u32, threads: u32): void {
  const heads = c.heads
  const parts = scratch(thread)
  const weights = parts + mostTogether * 64
  const plane = chunkPositions * c.kvBytes
  const end = share(c.rows * heads, thread + 1, threads)
  for (let at = share(c.rows * heads, thread, threads), count: u32 = 0; at < end; at += count) {
    const row = changetype<Row>(data() + c.table + (at / heads) * offsetof<Row>())
    const last = row.position
    const first = c.window && last >= c.window ? last + 1 - c.window : 0
    const head = at % heads
    const group = (head * c.kvHeads) / heads
    count = min(togetherOf(c, head, group), end - at)
    const keys = 2 * c.layer * plane + group * c.headSize * 4
    const query = c.queries + at * c.headSize * 4
    const out = c.out + at * c.headSize * 4
    const runs = data() + row.runs
    // The last score of a head may be written with three others behind it.
    const step: usize = ((last - first + 7) & ~3) * 4

    score(weights, step, query, count, parts, runs, c, first, last, keys)
    for (let i: u32 = 0; i < count; i++) {
      store<f32>(parts + i * 4, softmax(weights + <usize>i * step, last + 1 - first))
    }
    for (let i: u32 = 0; i < count; i += 2) {
      const totals = parts + i * 4
      weighAll(
        out + i * c.headSize * 4,
        weights + <usize>i * step,
        step,
        min(count - i, 2),
        totals,
        runs,
        c,
        first,
        last,
        keys + plane,
      )
    }
  }
}

/** How many heads from `head` on read the keys of `group`, up to as many as are computed together. */
function togetherOf(c: Attention, head: u32, group: u32): u32 {
  let next = head + 1
  while (next < c.heads && next - head < mostTogether && (next * c.kvHeads) / c.heads == group) next++
  return next - head
}

/**
 * `scale * q . k` of `count` queries with the keys of the positions `first .. last`: from `weights` on for the first query,
 * `step` bytes behind for the next.
 */
function score(
  weights: usize,
  step: usize,
  query: usize,
  count: u32,
  parts: usize,
  runs: usize,
  c: Attention,
  first: u32,
  last: u32,
  offset: usize,
): void {
  const bytes = c.kvBytes
  const size = c.headSize
  const stride = size * 4
  const scale = f32x4.splat(c.scale)
  let run = runOf(runs, first)
  for (let p = first; p <= last; run = next(run)) {
    const end = min(run.end, last + 1)
    const base = run.base + offset
    for (; p < end; p += 4) {
      // Past the end of a run its last position stands in; what comes of it is written over, or never read.
      const most = end - 1
      dotRows<f32>(parts, 64, query, stride, count, base + p * bytes, size)
      dotRows<f32>(parts + 16, 64, query, stride, count, base + min(p + 1, most) * bytes, size)
      dotRows<f32>(parts + 32, 64, query, stride, count, base + min(p + 2, most) * bytes, size)
      dotRows<f32>(parts + 48, 64, query, stride, count, base + min(p + 3, most) * bytes, size)
      for (let i: u32 = 0; i < count; i++) {
        const at = parts + i * 64
        const products = sums(v128.load(at), v128.load(at, 16), v128.load(at, 32), v128.load(at, 48))
        v128.store(weights + <usize>i * step, f32x4.mul(scale, products))
      }
      weights += min(end - p, 4) * 4
    }
    p = end
  }
}

/** Turns scores into `e^(score - highest)`, and gives their sum. */
function softmax(weights: usize, count: u32): f32 {
  // Behind the last score stand others up to a whole vector, which weigh nothing.
  const rest = weights + (count & ~3) * 4
  const nothing = f32x4.splat(-Infinity)
  if (count & 3) v128.store(rest, v128.bitselect(v128.load(rest), nothing, lanes(count & 3)))
  const end = weights + ((count + 3) & ~3) * 4
  let highest = nothing
  for (let at = weights; at < end; at += 16) highest = f32x4.max(highest, v128.load(at))
  highest = f32x4.max(highest, i64x2.shuffle(highest, highest, 1, 0))
  highest = f32x4.max(highest, f32x4.shuffle(highest, highest, 1, 0, 3, 2))
  let total = f32x4.splat(0)
  for (let at = weights; at < end; at += 16) {
    const weight = exp(f32x4.sub(v128.load(at), highest))
    v128.store(at, weight)
    total = f32x4.add(total, weight)
  }
  return sum(total)
}

/** The values of one or two heads, summed by their weights. */
function weighAll(
  out: usize,
  weights: usize,
  step: usize,
  count: u32,
  totals: usize,
  runs: usize,
  c: Attention,
  first: u32,
  last: u32,
  offset: usize,
): void {
  let i: u32 = 0
  for (; i + 16 <= c.headSize; i += 16) {
    if (count == 1) weigh<u8>(out + i * 4, weights, step, totals, runs, c, first, last, offset + i * 4)
    else weigh<u16>(out + i * 4, weights, step, totals, runs, c, first, last, offset + i * 4)
  }
  for (; i < c.headSize; i += 4) {
    for (let head: u32 = 0; head < count; head++) {
      const sums = weighFour(weights + <usize>head * step, runs, c, first, last, offset + i * 4)
      const divided = f32x4.div(sums, v128.load32_splat(totals + head * 4))
      storeSome(out + (head * c.headSize + i) * 4, divided, c.headSize - i)
    }
  }
}

/** Sixteen sums of values by weight, divided by the total of the weights, for N heads: `u8` is one, `u16` two. */
function weigh<N>(
  out: usize,
  weights: usize,
  step: usize,
  totals: usize,
  runs: usize,
  c: Attention,
  first: u32,
  last: u32,
  offset: usize,
): void {
  const bytes = c.kvBytes
  let a0 = f32x4.splat(0)
  let a1 = a0
  let a2 = a0
  let a3 = a0
  let b0 = a0
  let b1 = a0
  let b2 = a0
  let b3 = a0
  let run = runOf(runs, first)
  for (let p = first; p <= last; run = next(run)) {
    const end = min(run.end, last + 1)
    for (let value = run.base + offset + p * bytes; p < end; p++) {
      const v0 = v128.load(value)
      const v1 = v128.load(value, 16)
      const v2 = v128.load(value, 32)
      const v3 = v128.load(value, 48)
      const a = v128.load32_splat(weights)
      a0 = f32x4.add(a0, f32x4.mul(a, v0))
      a1 = f32x4.add(a1, f32x4.mul(a, v1))
      a2 = f32x4.add(a2, f32x4.mul(a, v2))
      a3 = f32x4.add(a3, f32x4.mul(a, v3))
      if (sizeof<N>() > 1) {
        const b = v128.load32_splat(weights + step)
        b0 = f32x4.add(b0, f32x4.mul(b, v0))
        b1 = f32x4.add(b1, f32x4.mul(b, v1))
        b2 = f32x4.add(b2, f32x4.mul(b, v2))
        b3 = f32x4.add(b3, f32x4.mul(b, v3))
      }
      weights += 4
      value += bytes
    }
  }
  storeDivided(out, v128.load32_splat(totals), a0, a1, a2, a3)
  if (sizeof<N>() > 1) storeDivided(out + c.headSize * 4, v128.load32_splat(totals, 4), b0, b1, b2, b3)
}

function storeDivided(out: usize, divisor: v128, s0: v128, s1: v128, s2: v128, s3: v128): void {
  v128.store(out, f32x4.div(s0, divisor))
  v128.store(out, f32x4.div(s1, divisor), 16)
  v128.store(out, f32x4.div(s2, divisor), 32)
  v128.store(out, f32x4.div(s3, divisor), 48)
}

/** Four such sums, for the rest of head sizes that sixteen does not divide; past their end is whatever lies there. */
function weighFour(weights: usize, runs: usize, c: Attention, first: u32, last: u32, offset: usize): v128 {
  let sums = f32x4.splat(0)
  let run = runOf(runs, first)
  for (let p = first; p <= last; run = next(run)) {
    const end = min(run.end, last + 1)
    for (let value = run.base + offset + p * c.kvBytes; p < end; p++) {
      sums = f32x4.add(sums, f32x4.mul(v128.load32_splat(weights), v128.load(value)))
      weights += 4
      value += c.kvBytes
    }
  }
  return sums
}

function next(run: Run): Run {
  return changetype<Run>(changetype<usize>(run) + offsetof<Run>())
}
