// Rotary position embedding (Su et al., RoFormer) in Hugging Face's half-split layout: an invocation for each pair.

import { type Kernel, kernel, main, threads } from './kernel.ts'

const params = ['out', 'x', 'cos', 'sin', 'table', 'half', 'pairs']

/** Workgroups are `[pairs of a row, rows]`. */
export const rope: Kernel = kernel({
  params,
  view: 'f32',
  body: `
${main} {
  let pair = workgroup.x * ${threads}u + thread;
  if (pair >= p.pairs) { return; }
  let row = workgroup.y;
  let angle = tables[p.table + 2u * row] * p.half + pair % p.half;
  let at = 2u * (row * p.pairs + pair - pair % p.half) + pair % p.half;
  let c = pool[p.cos + angle];
  let s = pool[p.sin + angle];
  let a = pool[p.x + at];
  let b = pool[p.x + at + p.half];
  pool[p.out + at] = fma1(a, c, -(b * s));
  pool[p.out + at + p.half] = fma1(b, c, a * s);
}`,
})
