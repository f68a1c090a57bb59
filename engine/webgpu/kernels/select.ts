// Greedy choice: the winner of each row of logits, with what is needed to turn its logit into a probability. In two steps:
// blocks of a row, which workgroups share, then rows. What is no number is told by its bits, since compilers may take it that
// there is none.

import { type Kernel, kernel, main, mainOf } from './kernel.ts'
import { expBelowZero, logFromOne } from './math.ts'
import { largestOfAll, sideOf, sumOfAll } from './reduce.ts'

/** Logits of a block. */
export const selectBlock = 2048

/** Words that are left of a block: the winner's key and id, the largest logit, the sum, and whether there is a NaN. */
export const selectWords = 5

/** Keys are whole numbers in the order of the f32 that they stand for: 0 and -0 are one, and NaN is the lowest. */
const keyOf = `
fn isNaN(bits: u32) -> bool { return (bits & 0x7fffffffu) > 0x7f800000u; }

fn keyOf(bits: u32) -> u32 {
  if (isNaN(bits)) { return 0u; }
  if (bits == 0x80000000u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}`

/** The winner of all invocations: the highest key, of these the lowest id. */
const winnerOfAll = (threads: number): string => `
var<workgroup> keys: array<u32, ${threads}>;
var<workgroup> ids: array<u32, ${threads}>;
fn winnerOfAll(key: u32, id: u32, thread: u32) -> vec2u {
  keys[thread] = key;
  ids[thread] = id;
  workgroupBarrier();
  if (thread < ${sideOf(threads)}u) {
    for (var i = 1u; i < ${sideOf(threads)}u; i++) {
      let other = ${sideOf(threads)}u * thread + i;
      if (keys[other] > keys[${sideOf(threads)}u * thread] || (keys[other] == keys[${sideOf(threads)}u * thread] && ids[other] < ids[${sideOf(threads)}u * thread])) {
        keys[${sideOf(threads)}u * thread] = keys[other];
        ids[${sideOf(threads)}u * thread] = ids[other];
      }
    }
  }
  workgroupBarrier();
  var best = vec2u(keys[0], ids[0]);
  for (var i = ${sideOf(threads)}u; i < ${threads}u; i += ${sideOf(threads)}u) {
    if (keys[i] > best.x || (keys[i] == best.x && ids[i] < best.y)) { best = vec2u(keys[i], ids[i]); }
  }
  return best;
}`

const params = ['ids', 'scores', 'logits', 'noise', 'noisy', 'blocks', 'size', 'perRow']

/** Workgroups are `[blocks, rows]`, of so many threads. */
export function selectInBlocks(threads: number): Kernel {
  const body = `
${expBelowZero}
${keyOf}
${winnerOfAll(threads)}
${largestOfAll(threads)}
${sumOfAll(threads)}

${mainOf(threads)} {
  let row = workgroup.y * p.size;
  let first = workgroup.x * ${selectBlock}u;
  let end = min(first + ${selectBlock}u, p.size);
  var key = 0u;
  var id = 0xffffffffu;
  var largest = -3.4e38;
  var strange = 0.0;
  for (var i = first + thread; i < end; i += ${threads}u) {
    let bits = pool[p.logits + row + i];
    var noisy = bits;
    if (p.noisy != 0u && !isNaN(bits)) {
      noisy = bitcast<u32>(bitcast<f32>(bits) + bitcast<f32>(pool[p.noise + row + i]));
    }
    let own = keyOf(noisy);
    if (id == 0xffffffffu || own > key) {
      key = own;
      id = i;
    }
    // Infinities stand for themselves; a row's sum leaves them out.
    if ((bits & 0x7fffffffu) < 0x7f800000u) { largest = max(largest, bitcast<f32>(bits)); }
    if (isNaN(bits) || bits == 0x7f800000u) { strange = 1.0; }
  }
  let winner = winnerOfAll(key, id, thread);
  largest = largestOfAll(largest, thread);
  var total = 0.0;
  for (var i = first + thread; i < end; i += ${threads}u) {
    let bits = pool[p.logits + row + i];
    if ((bits & 0x7fffffffu) < 0x7f800000u) { total += expBelowZero(bitcast<f32>(bits) - largest); }
  }
  total = sumOfAll(total, thread);
  strange = sumOfAll(strange, thread);
  if (thread == 0u) {
    let at = p.blocks + ${selectWords}u * (workgroup.y * p.perRow + workgroup.x);
    pool[at] = winner.x;
    pool[at + 1u] = winner.y;
    pool[at + 2u] = bitcast<u32>(largest);
    pool[at + 3u] = bitcast<u32>(total);
    pool[at + 4u] = u32(strange);
  }
}`
  return kernel({ params, view: 'u32', body })
}

/** Workgroups are `[rows]`. */
export const selectInRows: Kernel = kernel({
  params,
  view: 'u32',
  body: `
${expBelowZero}
${logFromOne}

${main} {
  if (thread != 0u) { return; }
  let row = workgroup.x;
  let blocks = p.blocks + ${selectWords}u * row * p.perRow;
  let end = blocks + ${selectWords}u * p.perRow;
  var key = pool[blocks];
  var id = pool[blocks + 1u];
  var largest = bitcast<f32>(pool[blocks + 2u]);
  var strange = pool[blocks + 4u];
  for (var at = blocks + ${selectWords}u; at < end; at += ${selectWords}u) {
    if (pool[at] > key) {
      key = pool[at];
      id = pool[at + 1u];
    }
    largest = max(largest, bitcast<f32>(pool[at + 2u]));
    strange += pool[at + 4u];
  }
  var total = 0.0;
  for (var at = blocks; at < end; at += ${selectWords}u) {
    total = fma1(bitcast<f32>(pool[at + 3u]), expBelowZero(bitcast<f32>(pool[at + 2u]) - largest), total);
  }
  pool[p.ids + row] = id;
  pool[p.scores + 2u * row] = pool[p.logits + row * p.size + id];
  var sum = bitcast<u32>(largest + logFromOne(total));
  // Minus infinity where nothing else is there, NaN where a logit is, or plus infinity.
  if (total == 0.0) { sum = 0xff800000u; }
  if (strange != 0u) { sum = 0x7fc00000u; }
  pool[p.scores + 2u * row + 1u] = sum;
}`,
})
