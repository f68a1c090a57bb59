// Products with a weight `[out, in]`: four outputs of a number of rows at a time. One text for every number of rows, so that
// what a row goes through is the same: which lane multiplies what, and in which order all of it is added.

import { type Kernel, kernel, mainOf } from './kernel.ts'
import { blockValues, elementOf, type Weights } from './weights.ts'

/** How work is laid out, the same for every number of rows. */
export interface Layout {
  /** Invocations of a workgroup, where they work on one thing together. */
  readonly threads: number
  /** Invocations that share a sum of a product. */
  readonly lanes: number
  /** How all kernels multiply and add: see math.ts. */
  readonly products: 'fused' | 'rounded twice'
}

/** A graphics card reads weights side by side; what waits for memory are many lanes. */
export const hardwareLayout: Layout = { threads: 64, lanes: 32, products: 'fused' }

/** Software has few threads, and pays for each sum that lanes share: by a barrier, and by memory that it clears. */
export const softwareLayout: Layout = { threads: 16, lanes: 1, products: 'rounded twice' }

export interface LinearOptions {
  readonly layout: Layout
  /** Rows that are multiplied at once, so that a weight is read once for all of them. */
  readonly rows: number
  readonly weights: Weights
  /** Whether outputs come in fours as well: then they are written so. */
  readonly fours: boolean
}

/** Outputs that an invocation works on. */
export const outputs = 4

const params = [
  'out',
  'x',
  'rows',
  'size',
  'width',
  'first',
  'count',
  'stride',
  'scales',
  'scaleStride',
  'bias',
  'residual',
  'adds',
]

/** Bits of the parameter `adds`. */
export const addsBias = 1
export const addsResidual = 2

/** Outputs of a workgroup. */
export function outputsOf({ threads, lanes }: Layout): number {
  return (threads / lanes) * outputs
}

/** Workgroups are `[outputs, tiles of rows]`. */
export function linear({ layout, rows, weights, fours }: LinearOptions): Kernel {
  const { threads, lanes } = layout
  const inFours = fours && weights !== 'f32'
  /** Does so for each row `r`, written out: a loop would not give each row its registers. */
  const eachRow = (code: string): string =>
    Array.from({ length: rows }, (_, r) => `{ const r = ${r}u; ${code} }`).join('\n    ')
  const write = inFours ? writeFours : writeSingly
  /** Each of the first lanes adds up a row. */
  const shared = `
  ${eachRow(`partial[thread * ${rows}u + r] = sums[r];`)}
  workgroupBarrier();
  let row = firstRow + lane;
  if (lane >= ${rows}u || row >= p.rows || output >= p.count) { return; }
  let start = group * lanes * ${rows}u + lane;
  var sum = partial[start];
  for (var i = 1u; i < lanes; i++) { sum += partial[start + i * ${rows}u]; }
  ${write}`
  const body = `
const lanes = ${lanes}u;
${lanes > 1 ? `var<workgroup> partial: array<vec4f, ${threads * rows}>;` : ''}
${blockValues}
${inFours ? 'fn fourOf(x: u32, unit: u32) -> vec4f { return pool[x + unit]; }' : fourSingly}

${mainOf(threads)} {
  let lane = thread % lanes;
  let group = thread / lanes;
  let output = (workgroup.x * ${threads / lanes}u + group) * 4u;
  let firstRow = workgroup.y * ${rows}u;
  // Past the last output or row, the last one is multiplied again, and not written.
  let own = min(vec4u(output) + vec4u(0u, 1u, 2u, 3u), vec4u(p.count - 1u));
  let w = own * p.stride;
  let s = p.scales + own * p.scaleStride;
  var x: array<u32, ${rows}>;
  var sums: array<vec4f, ${rows}>;
  ${eachRow(`x[r] = (p.x + min(firstRow + r, p.rows - 1u) * p.size)${inFours ? ' / 4u' : ''};`)}
  ${sums[weights](eachRow)}
  let column = p.first + output;
  ${lanes > 1 ? shared : eachRow(`let row = firstRow + r; if (row < p.rows && output < p.count) { var sum = sums[r]; ${write} }`)}
}`
  return kernel({ params, view: inFours ? 'vec4<f32>' : 'f32', weight: elementOf[weights], body })
}

/** Four values of each of four outputs, `a` to `d`, the other way round: `c0` to `c3`. */
const columns: string = ['x', 'y', 'z', 'w']
  .map((part, i) => `let c${i} = vec4f(a.${part}, b.${part}, c.${part}, d.${part});`)
  .join(' ')

/** What four values of x, `v`, add to `sum`, by these columns. */
const added = (sum: string, name = 'c'): string =>
  ['x', 'y', 'z', 'w'].map((part, i) => `${sum} = fma4(${name}${i}, vec4f(v.${part}), ${sum});`).join(' ')

const scale = 'let scale = vec4f(scales[s.x + block], scales[s.y + block], scales[s.z + block], scales[s.w + block]);'

/** The loop of a lane over its share of the sum. Of blocks the whole numbers are added up first, and scaled together. */
const sums: Readonly<Record<Weights, (eachRow: (code: string) => string) => string>> = {
  f32: (eachRow) => `
  for (var i = lane; i < p.size; i += lanes) {
    let c = vec4f(weights[w.x + i], weights[w.y + i], weights[w.z + i], weights[w.w + i]);
    ${eachRow('sums[r] = fma4(c, vec4f(pool[x[r] + i]), sums[r]);')}
  }`,
  'f32 in fours': (eachRow) => `
  for (var i = lane; i < p.size / 4u; i += lanes) {
    let a = weights[w.x + i]; let b = weights[w.y + i]; let c = weights[w.z + i]; let d = weights[w.w + i];
    ${columns}
    ${eachRow(`let v = fourOf(x[r], i); var sum = sums[r]; ${added('sum')} sums[r] = sum;`)}
  }`,
  q8_0: (eachRow) => `
  for (var i = lane; i < p.size / 4u; i += lanes) {
    let block = i / 8u;
    let a = signed(weights[w.x + i]); let b = signed(weights[w.y + i]);
    let c = signed(weights[w.z + i]); let d = signed(weights[w.w + i]);
    ${columns}
    ${scale}
    ${eachRow(`let v = fourOf(x[r], i); var part = vec4f(0.0); ${added('part')} sums[r] = fma4(part, scale, sums[r]);`)}
  }`,
  q4_0: (eachRow) => `
  for (var i = lane; i < p.size / 8u; i += lanes) {
    let block = i / 4u;
    let unit = 8u * block + i % 4u;
    let words = vec4u(weights[w.x + i], weights[w.y + i], weights[w.z + i], weights[w.w + i]);
    ${[0, 1, 2, 3].map((i) => `let low${i} = nibble(words >> vec4u(${8 * i}u)); let high${i} = nibble(words >> vec4u(${8 * i + 4}u));`).join('\n    ')}
    ${scale}
    ${eachRow(`
      var part = vec4f(0.0);
      { let v = fourOf(x[r], unit); ${added('part', 'low')} }
      { let v = fourOf(x[r], unit + 4u); ${added('part', 'high')} }
      sums[r] = fma4(part, scale, sums[r]);`)}
  }`,
}

const fourSingly = `
fn fourOf(x: u32, unit: u32) -> vec4f {
  let at = x + 4u * unit;
  return vec4f(pool[at], pool[at + 1u], pool[at + 2u], pool[at + 3u]);
}`

const writeFours = `
  if ((p.adds & 1u) != 0u) { sum += pool[(p.bias + column) / 4u]; }
  let at = row * p.width + column;
  if ((p.adds & 2u) != 0u) { sum += pool[(p.residual + at) / 4u]; }
  pool[(p.out + at) / 4u] = sum;`

const writeSingly = `
  for (var i = 0u; i < min(4u, p.count - output); i++) {
    var value = sum[i];
    if ((p.adds & 1u) != 0u) { value += pool[p.bias + column + i]; }
    let at = row * p.width + column + i;
    if ((p.adds & 2u) != 0u) { value += pool[p.residual + at]; }
    pool[p.out + at] = value;
  }`
