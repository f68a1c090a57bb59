// The gated activation of Llama's MLP (Shazeer 2020, GLU variants improve Transformer).

import { type Kernel, kernel, main, threads } from './kernel.ts'
import { expBelowZero } from './math.ts'

const params = ['out', 'gate', 'up', 'width']

/** Workgroups are `[values of a row, rows]`. */
export const swiglu: Kernel = kernel({
  params,
  view: 'f32',
  body: `
${expBelowZero}

${main} {
  let i = workgroup.x * ${threads}u + thread;
  if (i >= p.width) { return; }
  let at = workgroup.y * p.width + i;
  let gate = pool[p.gate + at];
  let e = expBelowZero(-abs(gate));
  pool[p.out + at] = gate * (select(e, 1.0, gate >= 0.0) / (1.0 + e)) * pool[p.up + at];
}`,
})
