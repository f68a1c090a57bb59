// Causal attention (Vaswani et al. 2017; grouped heads: Ainslie et al. 2023), over chunks of positions counted from 0: each a
// workgroup of its own, so that a long sequence is shared among many. Where a row has several, merge-attention.ts joins them.

import { chunkPositions } from '../../cache-runs.ts'
import { type Kernel, kernel, mainOf } from './kernel.ts'
import { expBelowZero } from './math.ts'
import { positionAt } from './pages.ts'
import { largestOfAll, sumOfAll } from './reduce.ts'

/** Positions of a chunk. */
export const attended = 128

const params = ['out', 'queries', 'table', 'layer', 'heads', 'group', 'width', 'window', 'scale', 'chunks', 'partial']

/** The words of the pool that a chunk of a row's head leaves for the merge: its largest score, its sum, its values. */
export function partialWords(headSize: number): number {
  return 4 + headSize
}

/** The positions that a row attends to, and the first and last of its chunks; `table` says where the row is described. */
export const attendedRange: string = `
  let position = tables[p.table + 2u * row];
  let first = select(0u, position + 1u - min(p.window, position + 1u), p.window != 0u);
  let firstChunk = first / ${attended}u;
  let lastChunk = position / ${attended}u;`

export interface AttentionOptions {
  readonly headSize: number
  /** Whether the head size comes in fours. */
  readonly fours: boolean
  /** Of a workgroup. */
  readonly threads: number
}

/** Workgroups are `[chunks, heads, rows]`. */
export function attention({ headSize, fours, threads }: AttentionOptions): Kernel {
  const [type, unit, zero, fma] = fours
    ? (['vec4f', 4, 'vec4f(0.0)', 'fma4'] as const)
    : (['f32', 1, '0.0', 'fma1'] as const)
  const units = headSize / unit
  /** Invocations share a sum over positions where there are more of them than units. */
  const slices = Math.max(1, Math.floor(threads / units))
  const perUnit = (at: string): string => (fours ? `(${at}) / 4u` : at)
  const body = `
${expBelowZero}
${positionAt}
${largestOfAll(threads)}
${sumOfAll(threads)}
var<workgroup> query: array<${type}, ${units}>;
var<workgroup> places: array<u32, ${attended}>;
var<workgroup> scores: array<f32, ${attended}>;
var<workgroup> sums: array<${type}, ${slices * units}>;

${mainOf(threads)} {
  let head = workgroup.y;
  let row = workgroup.z;
  let runs = tables[p.table + 2u * row + 1u];
  ${attendedRange}
  let chunk = firstChunk + workgroup.x;
  if (chunk > lastChunk) { return; }
  let start = max(first, chunk * ${attended}u);
  let count = min(position + 1u, (chunk + 1u) * ${attended}u) - start;
  let ofRow = (row * p.heads + head) * ${headSize}u;
  for (var i = thread; i < ${units}u; i += ${threads}u) {
    query[i] = pool[${perUnit('p.queries + ofRow')} + i];
  }
  workgroupBarrier();
  let table = ${chunkPositions}u * p.width;
  let keys = 2u * p.layer * table + (head / p.group) * ${headSize}u;
  // A score is never so low.
  var largest = -3.0e38;
  for (var i = thread; i < count; i += ${threads}u) {
    let place = positionAt(runs, start + i, p.width) + keys;
    places[i] = ${perUnit('place + table')};
    let key = ${perUnit('place')};
    var sum = ${zero};
    for (var j = 0u; j < ${units}u; j++) { sum = ${fma}(query[j], pool[key + j], sum); }
    let score = bitcast<f32>(p.scale) * ${fours ? '((sum.x + sum.y) + (sum.z + sum.w))' : 'sum'};
    scores[i] = score;
    largest = max(largest, score);
  }
  largest = largestOfAll(largest, thread);
  var total = 0.0;
  for (var i = thread; i < count; i += ${threads}u) {
    let weight = expBelowZero(scores[i] - largest);
    scores[i] = weight;
    total += weight;
  }
  total = sumOfAll(total, thread);
  let slice = thread / ${units}u;
  if (slice < ${slices}u) {
    for (var j = thread % ${Math.min(units, threads)}u; j < ${units}u; j += ${threads}u) {
      var sum = ${zero};
      for (var i = slice; i < count; i += ${slices}u) {
        sum = ${fma}(${type}(scores[i]), pool[places[i] + j], sum);
      }
      sums[slice * ${units}u + j] = sum;
    }
  }
  workgroupBarrier();
  let partial = p.partial + ((row * p.heads + head) * p.chunks + workgroup.x) * ${partialWords(headSize)}u;
  for (var j = thread; j < ${units}u; j += ${threads}u) {
    var sum = sums[j];
    for (var i = 1u; i < ${slices}u; i++) { sum += sums[i * ${units}u + j]; }
    if (firstChunk == lastChunk) {
      pool[${perUnit('p.out + ofRow')} + j] = sum / total;
    } else {
      pool[${perUnit('partial')} + ${4 / unit}u + j] = sum;
    }
  }
  if (firstChunk != lastChunk && thread == 0u) {
    ${fours ? 'pool[partial / 4u] = vec4f(largest, total, 0.0, 0.0);' : 'pool[partial] = largest;\n    pool[partial + 1u] = total;'}
  }
}`
  return kernel({ params, view: fours ? 'vec4<f32>' : 'f32', body })
}
