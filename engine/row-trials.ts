// What a probe for row invariance runs: rows of meaningless numbers, all of them at once, and parts of them.

/** Rows that a trial has in all. */
export const trialRows = 40

/** Rows `from .. from + count - 1` of a trial. */
export interface Part {
  readonly from: number
  readonly count: number
}

/** Every small pass, some larger ones, and others that start elsewhere: each row gets several places. */
export const trialParts: readonly Part[] = [
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 32, 33].map((count) => ({ from: 0, count })),
  ...[1, 5, 8].map((count) => ({ from: 3, count })),
  { from: 20, count: 6 },
]

/** Whether `some` is what `all` begins with. */
export function agree(some: Int32Array, all: Int32Array): boolean {
  for (let i = 0; i < some.length; i++) if (some[i] !== all[i]) return false
  return true
}

/** Numbers between -1 and 1 that do not repeat; they need not be good ones. */
export function numbers(count: number, seed: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count)
  let state = seed
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    values[i] = state / 2 ** 31
  }
  return values
}
