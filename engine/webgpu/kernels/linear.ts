// Products with a weight `[out, in]`: four outputs of a number of rows at a time. One text for every number of rows, so that
// what a row goes through is the same: which lane multiplies what, and in which order all of it is added.

import { type Kernel, kernel, main, threads } from './kernel.ts'
import type { Weights } from './weights.ts'

export interface LinearOptions {
  /** Rows that are multiplied at once, so that a weight is read once for all of them. */
  readonly rows: number
  /** Invocations that share a sum. */
  readonly lanes: number
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
export function outputsOf({ lanes }: Pick<LinearOptions, 'lanes'>): number {
  return (threads / lanes) * outputs
}

/** Workgroups are `[outputs, tiles of rows]`. */
export function linear({ rows, lanes, weights, fours }: LinearOptions): Kernel {
  const all = Array.from({ length: rows }, (_, row) => row)
  const four = [0, 1, 2, 3]
  const single = weights === 'f32'
  const inFours = fours && !single
  /** Four values of x, or one. */
  const xAt = (row: number, unit: string): string => {
    if (single) return `pool[x${row} + ${unit}]`
    if (inFours) return `pool[x${row} + ${unit}]`
    const at = `x${row} + 4u * (${unit})`
    return `vec4f(pool[${at}], pool[${at} + 1u], pool[${at} + 2u], pool[${at} + 3u])`
  }
  /** Adds the products of four values of each output with four values of each row to `sum`. */
  const multiply = (sum: string, unit: string, fresh: boolean): string =>
    all
      .map((row) => {
        const x = `let x = ${xAt(row, unit)};`
        const steps = ['x', 'y', 'z', 'w'].map((part, i) =>
          fresh && i === 0
            ? `${sum}${row} = by${part} * x.${part};`
            : `${sum}${row} = fma(by${part}, vec4f(x.${part}), ${sum}${row});`,
        )
        return `{ ${x} ${steps.join(' ')} }`
      })
      .join('\n      ')
  const scaled = all.map((row) => `sum${row} = fma(part${row}, scale, sum${row});`).join(' ')
  const parts = all.map((row) => `var part${row}: vec4f;`).join(' ')
  const scale = `let scale = vec4f(${four.map((i) => `scales[s${i} + block]`).join(', ')});`
  const loops = {
    f32: `
    for (var i = lane; i < p.size; i += lanes) {
      let w = vec4f(weights[w0 + i], weights[w1 + i], weights[w2 + i], weights[w3 + i]);
      ${all.map((row) => `sum${row} = fma(w, vec4f(${xAt(row, 'i')}), sum${row});`).join('\n      ')}
    }`,
    'f32 in fours': `
    for (var i = lane; i < p.size / 4u; i += lanes) {
      ${four.map((i) => `let v${i} = weights[w${i} + i];`).join(' ')}
      ${columns}
      ${multiply('sum', 'i', false)}
    }`,
    q8_0: `
    for (var i = lane; i < p.size / 4u; i += lanes) {
      let block = i / 8u;
      ${four.map((i) => `let v${i} = signed(weights[w${i} + i]);`).join(' ')}
      ${columns}
      ${scale}
      ${parts}
      ${multiply('part', 'i', true)}
      ${scaled}
    }`,
    q4_0: `
    for (var i = lane; i < p.size / 8u; i += lanes) {
      let block = i / 4u;
      let unit = 8u * block + i % 4u;
      ${four.map((i) => `let q${i} = weights[w${i} + i];`).join(' ')}
      ${scale}
      ${parts}
      {
      ${four.map((i) => `let v${i} = nibbles(q${i});`).join(' ')}
      ${columns}
      ${multiply('part', 'unit', true)}
      }
      {
      ${four.map((i) => `let v${i} = nibbles(q${i} >> 4u);`).join(' ')}
      ${columns}
      ${multiply('part', 'unit + 4u', false)}
      }
      ${scaled}
    }`,
  }
  const unit = single || !inFours ? 1 : 4
  const body = `
const lanes = ${lanes}u;
var<workgroup> partial: array<vec4f, ${threads * rows}>;

fn signed(word: u32) -> vec4f {
  return vec4f(vec4i(vec4u(word << 24u, word << 16u, word << 8u, word)) >> vec4u(24u));
}

fn nibbles(word: u32) -> vec4f {
  return vec4f(vec4i((vec4u(word) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(15u)) - vec4i(8));
}

${main} {
  let lane = thread % lanes;
  let group = thread / lanes;
  let output = (workgroup.x * ${threads / lanes}u + group) * 4u;
  let firstRow = workgroup.y * ${rows}u;
  // Past the last output or row, the last one is multiplied again, and not written.
  ${four.map((i) => `let w${i} = min(output + ${i}u, p.count - 1u) * p.stride;`).join('\n  ')}
  ${single || weights === 'f32 in fours' ? '' : four.map((i) => `let s${i} = p.scales + min(output + ${i}u, p.count - 1u) * p.scaleStride;`).join('\n  ')}
  ${all.map((row) => `let x${row} = (p.x + min(firstRow + ${row}u, p.rows - 1u) * p.size) / ${unit}u;`).join('\n  ')}
  ${all.map((row) => `var sum${row} = vec4f(0.0);`).join(' ')}
  ${loops[weights]}
  ${all.map((row) => `partial[thread * ${rows}u + ${row}u] = sum${row};`).join('\n  ')}
  workgroupBarrier();
  let row = firstRow + lane;
  if (lane >= ${rows}u || row >= p.rows || output >= p.count) { return; }
  let start = group * lanes * ${rows}u + lane;
  var sum = partial[start];
  for (var i = 1u; i < lanes; i++) { sum += partial[start + i * ${rows}u]; }
  let column = p.first + output;
  ${inFours ? writeFours : writeSingly}
}`
  return kernel({ params, view: inFours ? 'vec4<f32>' : 'f32', weight: elementOf[weights], body })
}

const elementOf = { f32: 'f32', 'f32 in fours': 'vec4<f32>', q8_0: 'u32', q4_0: 'u32' } as const

/** `v0 .. v3`, four values of an output each, as the columns `byx .. byw`. */
const columns: string = ['x', 'y', 'z', 'w']
  .map((part) => `let by${part} = vec4f(v0.${part}, v1.${part}, v2.${part}, v3.${part});`)
  .join('\n      ')

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
