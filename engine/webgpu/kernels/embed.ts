// Token embedding: rows of a table for ids that the host gave, or that a kernel has chosen.

import { type Kernel, kernel, main, threads } from './kernel.ts'
import { blockValues, elementOf, type Weights } from './weights.ts'

const params = ['out', 'rows', 'units', 'ids', 'inTables', 'first', 'count', 'stride', 'scales', 'scaleStride']

/** Values that an invocation writes. */
export function embedUnit(weights: Weights): number {
  return weights === 'f32' ? 1 : 4
}

/** Workgroups are `[units, rows]`. A part of a table writes the rows whose ids it has. */
export function embed(weights: Weights): Kernel {
  const fours = weights !== 'f32'
  const values = {
    f32: 'weights[row + unit]',
    'f32 in fours': 'weights[row + unit]',
    q8_0: `scales[p.scales + id * p.scaleStride + unit / 8u] * signed(weights[row + unit])`,
    q4_0: `scales[p.scales + id * p.scaleStride + unit / 8u] * nibbles(weights[row + 4u * (unit / 8u) + unit % 4u] >> select(0u, 4u, unit % 8u >= 4u))`,
  }
  const body = `
${blockValues}

${main} {
  let unit = workgroup.x * ${threads}u + thread;
  if (unit >= p.units) { return; }
  let at = workgroup.y;
  var id: u32;
  if (p.inTables != 0u) {
    id = tables[p.ids + at];
  } else {
    id = bitcast<u32>(${fours ? 'pool[(p.ids + at) / 4u][(p.ids + at) % 4u]' : 'pool[p.ids + at]'});
  }
  if (id < p.first || id >= p.first + p.count) { return; }
  id -= p.first;
  let row = id * p.stride;
  pool[p.out${fours ? ' / 4u' : ''} + at * p.units + unit] = ${values[weights]};
}`
  return kernel({ params, view: fours ? 'vec4<f32>' : 'f32', weight: elementOf[weights], body })
}
