// Greedy choice: the winner of each row of logits, with what is needed to turn its logit into a probability. In two steps:
// blocks of a row, which threads share, then rows. Blocks count from a row's first logit, so they are the same in any pass.

import { data, share } from './control'
import { lanes } from './dot'
import { exp, log } from './exp'

const blockSize: u32 = 1024

/** What is known of a block. */
@unmanaged
class Block {
  /** `sum(exp(logit - largest))`. */
  total: f64
  /** The highest of `logit + noise`, and the lowest id that has it. */
  best: f32
  id: u32
  /** Without noise. */
  largest: f32
  unused: u32
}

/** `ids [rows]`, `scores [rows, 2]`, `logits` and `noise` `[rows, size]`, noise 0 for none; `blocks` is a place in the data. */
@unmanaged
export class Select {
  ids: usize
  scores: usize
  logits: usize
  noise: usize
  blocks: usize
  rows: u32
  size: u32
}

/** Threads take blocks. */
export function selectInBlocks(c: Select, thread: u32, threads: u32): void {
  const perRow = (c.size + blockSize - 1) / blockSize
  const end = share(c.rows * perRow, thread + 1, threads)
  for (let i = share(c.rows * perRow, thread, threads); i < end; i++) {
    const row = i / perRow
    const first = (i % perRow) * blockSize
    const block = changetype<Block>(data() + c.blocks + i * offsetof<Block>())
    const at = (row * c.size + first) * 4
    inBlock(block, c.logits + at, c.noise ? c.noise + at : 0, min(blockSize, c.size - first))
    block.id += first
  }
}

/** Threads take rows. */
export function selectInRows(c: Select, thread: u32, threads: u32): void {
  const perRow = (c.size + blockSize - 1) / blockSize
  for (let row = thread; row < c.rows; row += threads) {
    const blocks = data() + c.blocks + row * perRow * offsetof<Block>()
    let best = changetype<Block>(blocks)
    let largest = best.largest
    for (let i: u32 = 1; i < perRow; i++) {
      const block = changetype<Block>(blocks + i * offsetof<Block>())
      if (block.best > best.best) best = block
      largest = max(largest, block.largest)
    }
    let total: f64 = 0
    for (let i: u32 = 0; i < perRow; i++) {
      const block = changetype<Block>(blocks + i * offsetof<Block>())
      total += block.total * f32x4.extract_lane(exp(f32x4.splat(block.largest - largest)), 0)
    }
    store<u32>(c.ids + row * 4, best.id)
    store<f32>(c.scores + row * 8, load<f32>(c.logits + (row * c.size + best.id) * 4))
    // Minus infinity where nothing else is there: its distance from itself would be no number.
    store<f32>(c.scores + row * 8, largest == -Infinity ? largest : <f32>(largest + log(total)), 4)
  }
}

function inBlock(block: Block, logits: usize, noise: usize, count: u32): void {
  const nothing = f32x4.splat(-Infinity)
  let best = nothing
  let largest = nothing
  for (let i: u32 = 0; i < count; i += 4) {
    const logit = fourOf(logits, i, count)
    largest = f32x4.max(largest, logit)
    best = f32x4.max(best, noise ? f32x4.add(logit, fourOf(noise, i, count)) : logit)
  }
  best = spread(best)
  largest = spread(largest)
  let total = f64x2.splat(0)
  for (let i: u32 = 0; i < count; i += 4) {
    const weight = exp(f32x4.sub(fourOf(logits, i, count), largest))
    total = f64x2.add(total, f64x2.promote_low_f32x4(weight))
    total = f64x2.add(total, f64x2.promote_low_f32x4(i64x2.shuffle(weight, weight, 1, 1)))
  }
  block.best = f32x4.extract_lane(best, 0)
  block.largest = f32x4.extract_lane(largest, 0)
  block.id = placeOf(best, logits, noise, count)
  // Where every logit is minus infinity.
  block.total = block.largest == -Infinity ? 0 : f64x2.extract_lane(total, 0) + f64x2.extract_lane(total, 1)
}

/** The first place of the highest; 0 where it is no number. */
function placeOf(best: v128, logits: usize, noise: usize, count: u32): u32 {
  for (let i: u32 = 0; i < count; i += 4) {
    const logit = fourOf(logits, i, count)
    const found = f32x4.eq(best, noise ? f32x4.add(logit, fourOf(noise, i, count)) : logit)
    if (v128.any_true(found)) return i + ctz(i32x4.bitmask(found))
  }
  return 0
}

/** Logits or noise `i .. i + 3`, minus infinity past the last, whatever lies there. */
function fourOf(values: usize, i: u32, count: u32): v128 {
  const four = v128.load(values + i * 4)
  return i + 4 <= count ? four : v128.bitselect(four, f32x4.splat(-Infinity), lanes(count - i))
}

/** The highest lane in every lane. */
function spread(values: v128): v128 {
  const pairs = f32x4.max(values, i64x2.shuffle(values, values, 1, 0))
  return f32x4.max(pairs, f32x4.shuffle(pairs, pairs, 1, 0, 3, 2))
}
