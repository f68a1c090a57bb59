// Where a position's keys are. A row of a pass has two words in the tables: its position, and the place of its sequence's
// runs; a run has two as well: where it ends, and where position 0 would be, were it in the same page.

import { chunkPositions } from '../../cache-runs.ts'

/** The word of the pool at which the layers of a position's page begin, for one row of keys of `width`. */
export const positionAt: string = `
fn positionAt(runs: u32, position: u32, width: u32) -> u32 {
  // Every page has a run, and where a parent ends within one, that page has more.
  var run = runs + 2u * (position / ${chunkPositions}u);
  while (tables[run] <= position) { run += 2u; }
  return tables[run + 1u] + position * width;
}`
