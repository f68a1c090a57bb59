// Where the rows of a pass stand in their sequences, and where the keys and values of each position are.

/** Positions that a cache takes memory for at once. */
export const chunkPositions: u32 = 64

/** One row of a pass: its position, and the runs of its sequence (a place in the data). */
@unmanaged
export class Row {
  position: u32
  runs: usize
}

/**
 * Positions of a sequence that lie behind each other in memory, up to, not including, `end`. Position p of plane 0 is at
 * `base + p * (bytes of a row)`. Planes are the keys of layer 0, its values, the keys of layer 1, and so on.
 */
@unmanaged
export class Run {
  end: u32
  base: usize
}

/** The run that holds a position. */
export function runOf(runs: usize, position: u32): Run {
  let run = changetype<Run>(runs)
  while (run.end <= position) run = changetype<Run>(changetype<usize>(run) + offsetof<Run>())
  return run
}
