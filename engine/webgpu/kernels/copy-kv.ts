// Copies positions of one sequence's pages to another's, in all layers.

import { chunkPositions } from '../../cache-runs.ts'
import { type Kernel, kernel, main, threads } from './kernel.ts'
import { positionAt } from './pages.ts'

const params = ['outRuns', 'sourceRuns', 'start', 'width']

/** Workgroups are `[values of a row, positions, tables]`: keys and values of each layer are a table. */
export const copyKV: Kernel = kernel({
  params,
  view: 'f32',
  body: `
${positionAt}

${main} {
  let i = workgroup.x * ${threads}u + thread;
  if (i >= p.width) { return; }
  let position = p.start + workgroup.y;
  let at = workgroup.z * ${chunkPositions}u * p.width + i;
  pool[positionAt(p.outRuns, position, p.width) + at] = pool[positionAt(p.sourceRuns, position, p.width) + at];
}`,
})
