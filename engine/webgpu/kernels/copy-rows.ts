// Gathers whole rows of one tensor into another.

import { type Kernel, kernel, main, threads } from './kernel.ts'

const params = ['out', 'x', 'rows', 'width']

/** Workgroups are `[values of a row, rows]`; the rows to copy are in the tables. */
export const copyRows: Kernel = kernel({
  params,
  view: 'u32',
  body: `
${main} {
  let i = workgroup.x * ${threads}u + thread;
  if (i >= p.width) { return; }
  pool[p.out + workgroup.y * p.width + i] = pool[p.x + tables[p.rows + workgroup.y] * p.width + i];
}`,
})
