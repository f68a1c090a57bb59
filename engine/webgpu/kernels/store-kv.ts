// Writes the keys and values of a pass to the pages of their sequences.

import { chunkPositions } from '../../cache-runs.ts'
import { type Kernel, kernel, main, threads } from './kernel.ts'
import { positionAt } from './pages.ts'

const params = ['keys', 'values', 'table', 'layer', 'width']

/** Workgroups are `[values of a row, rows]`. */
export const storeKV: Kernel = kernel({
  params,
  view: 'f32',
  body: `
${positionAt}

${main} {
  let i = workgroup.x * ${threads}u + thread;
  if (i >= p.width) { return; }
  let row = workgroup.y;
  let table = ${chunkPositions}u * p.width;
  let at = positionAt(tables[p.table + 2u * row + 1u], tables[p.table + 2u * row], p.width) + 2u * p.layer * table + i;
  pool[at] = pool[p.keys + row * p.width + i];
  pool[at + table] = pool[p.values + row * p.width + i];
}`,
})
