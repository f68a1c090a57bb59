// Causal attention of grouped heads over cached keys and values (Vaswani et al. 2017; Ainslie et al. 2023).

import { data, scratch, share } from './control'
import { dot, lanes, sum, sums } from './dot'
import { exp } from './exp'
import { chunkPositions, Row, Run, runOf } from './rows'

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

/** Threads take heads of rows. Each sums over its positions in their order, so nothing depends on how memory is cut. */
export function attention(c: Attention, thread: u32, threads: u32): void {
  const heads = c.heads
  const weights = scratch(thread)
  const plane = chunkPositions * c.kvBytes
  const end = share(c.rows * heads, thread + 1, threads)
  for (let at = share(c.rows * heads, thread, threads); at < end; at++) {
    const row = changetype<Row>(data() + c.table + (at / heads) * offsetof<Row>())
    const last = row.position
    const first = c.window && last >= c.window ? last + 1 - c.window : 0
    const group = ((at % heads) * c.kvHeads) / heads
    const keys = 2 * c.layer * plane + group * c.headSize * 4
    const query = c.queries + at * c.headSize * 4
    const out = c.out + at * c.headSize * 4

    score(weights, query, data() + row.runs, c, first, last, keys)
    const total = softmax(weights, last + 1 - first)
    let i: u32 = 0
    for (; i + 16 <= c.headSize; i += 16) {
      weigh(out + i * 4, weights, data() + row.runs, c, first, last, keys + plane + i * 4, total)
    }
    for (; i < c.headSize; i++) {
      weighOne(out + i * 4, weights, data() + row.runs, c, first, last, keys + plane + i * 4, total)
    }
  }
}

/** `weights[p - first] = scale * q . k` of the positions `first .. last`. */
function score(weights: usize, query: usize, runs: usize, c: Attention, first: u32, last: u32, offset: usize): void {
  const bytes = c.kvBytes
  const scale = f32x4.splat(c.scale)
  let run = runOf(runs, first)
  for (let p = first; p <= last; run = next(run)) {
    const end = min(run.end, last + 1)
    const base = run.base + offset
    for (; p < end; p += 4) {
      // Past the end of a run its last position stands in; what comes of it is written over, or never read.
      const most = end - 1
      const k1 = base + min(p + 1, most) * bytes
      const k2 = base + min(p + 2, most) * bytes
      const k3 = base + min(p + 3, most) * bytes
      const size = c.headSize
      const products = sums(
        dot<f32>(query, base + p * bytes, size),
        dot<f32>(query, k1, size),
        dot<f32>(query, k2, size),
        dot<f32>(query, k3, size),
      )
      v128.store(weights, f32x4.mul(scale, products))
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

/** Sixteen sums of values by weight, divided by `total`. */
function weigh(
  out: usize,
  weights: usize,
  runs: usize,
  c: Attention,
  first: u32,
  last: u32,
  offset: usize,
  total: f32,
): void {
  const bytes = c.kvBytes
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  let run = runOf(runs, first)
  for (let p = first; p <= last; run = next(run)) {
    const end = min(run.end, last + 1)
    for (let value = run.base + offset + p * bytes; p < end; p++) {
      const weight = v128.load32_splat(weights)
      s0 = f32x4.add(s0, f32x4.mul(weight, v128.load(value)))
      s1 = f32x4.add(s1, f32x4.mul(weight, v128.load(value, 16)))
      s2 = f32x4.add(s2, f32x4.mul(weight, v128.load(value, 32)))
      s3 = f32x4.add(s3, f32x4.mul(weight, v128.load(value, 48)))
      weights += 4
      value += bytes
    }
  }
  const divisor = f32x4.splat(total)
  v128.store(out, f32x4.div(s0, divisor))
  v128.store(out, f32x4.div(s1, divisor), 16)
  v128.store(out, f32x4.div(s2, divisor), 32)
  v128.store(out, f32x4.div(s3, divisor), 48)
}

/** One such sum, for head sizes that sixteen does not divide. */
function weighOne(
  out: usize,
  weights: usize,
  runs: usize,
  c: Attention,
  first: u32,
  last: u32,
  offset: usize,
  total: f32,
): void {
  let sum: f32 = 0
  for (let p = first; p <= last; p++) {
    sum += load<f32>(weights) * load<f32>(runOf(runs, p).base + offset + p * c.kvBytes)
    weights += 4
  }
  store<f32>(out, sum / total)
}

function next(run: Run): Run {
  return changetype<Run>(changetype<usize>(run) + offsetof<Run>())
}
