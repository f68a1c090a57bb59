// Joins what chunks of positions have found for a row and head: of rows that have several chunks; the others are done.

import { attendedRange, partialWords } from './attention.ts'
import { type Kernel, kernel, main, threads } from './kernel.ts'
import { expBelowZero } from './math.ts'

const params = ['out', 'table', 'heads', 'window', 'chunks', 'partial', 'headSize']

/** Workgroups are `[heads, rows]`. */
export const mergeAttention: Kernel = kernel({
  params,
  view: 'f32',
  body: `
${expBelowZero}

${main} {
  let head = workgroup.x;
  let row = workgroup.y;
  ${attendedRange}
  if (firstChunk == lastChunk) { return; }
  let words = p.headSize + ${partialWords(0)}u;
  let partial = p.partial + (row * p.heads + head) * p.chunks * words;
  let end = partial + (lastChunk - firstChunk + 1u) * words;
  var largest = pool[partial];
  for (var at = partial + words; at < end; at += words) { largest = max(largest, pool[at]); }
  for (var i = thread; i < p.headSize; i += ${threads}u) {
    var total = 0.0;
    var sum = 0.0;
    for (var at = partial; at < end; at += words) {
      let weight = expBelowZero(pool[at] - largest);
      total = fma1(weight, pool[at + 1u], total);
      sum = fma1(weight, pool[at + 4u + i], sum);
    }
    pool[p.out + (row * p.heads + head) * p.headSize + i] = sum / total;
  }
}`,
})
