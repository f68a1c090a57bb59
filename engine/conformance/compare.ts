// Comparing what a kernel wrote with what it should have written: normalised squared error per row, equality, raw bits.
// The messages are for the one who has to find the mistake.

import type { HostArray } from '../backend.ts'

export interface Comparison {
  /** The worst row's `sum((a - b)^2) / sum(b^2)`; for a row of zeros `sum(a^2)`. Infinity where a number is missing. */
  readonly error: number
  /** What is wrong, or nothing. */
  readonly message?: string
}

export interface CompareOptions {
  /** What was compared, for the message. */
  readonly what: string
  readonly shape: readonly number[]
  /** 0: equal in value. */
  readonly limit: number
  /** Values that share one error; by default a row, so that a small row is not hidden by a large one. */
  readonly group?: number | undefined
  /** Columns of the last axis that have to be equal in value whatever the limit, and stay out of the error. */
  readonly equalColumns?: readonly number[] | undefined
  /** Columns of the last axis that may hold anything. */
  readonly ignoredColumns?: readonly number[] | undefined
}

export function compare(actual: HostArray, expected: ArrayLike<number>, options: CompareOptions): Comparison {
  const { what, shape, limit, equalColumns = [], ignoredColumns = [] } = options
  const columns = shape.at(-1) ?? 1
  const group = options.group ?? columns
  if (actual.length !== expected.length) {
    return {
      error: Number.POSITIVE_INFINITY,
      message: `${what} [${shape.join(', ')}]: ${actual.length} values were read where there are ${expected.length}`,
    }
  }
  const finite = (i: number): boolean => Number.isFinite(actual[i]!) && Number.isFinite(expected[i]!)
  let worst = 0
  let firstWrong = -1
  let wrong = 0
  function mark(i: number): void {
    wrong++
    if (firstWrong < 0 || i < firstWrong) firstWrong = i
  }
  for (let start = 0; start < expected.length; start += group) {
    const measured: number[] = []
    let errors = 0
    let squares = 0
    for (let i = start; i < start + group; i++) {
      if (ignoredColumns.includes(i % columns)) continue
      if (equalColumns.includes(i % columns)) {
        if (actual[i]! !== expected[i]!) mark(i)
      } else if (finite(i)) {
        measured.push(i)
        errors += (actual[i]! - expected[i]!) ** 2
        squares += expected[i]! ** 2
      } else if (!Object.is(actual[i], expected[i])) {
        errors = Number.POSITIVE_INFINITY
        mark(i)
      }
    }
    const error = squares === 0 ? errors : errors / squares
    worst = Math.max(worst, error)
    if (error <= limit) continue
    // Over the limit, some value has more than its even share of it.
    const share = ((squares || 1) * limit) / group
    for (const i of measured) if ((actual[i]! - expected[i]!) ** 2 > share) mark(i)
  }
  if (wrong === 0) return { error: worst }
  const verdict = limit === 0 ? 'has to be equal' : `normalised squared error ${worst.toExponential(2)}, limit ${limit}`
  return {
    error: worst,
    message:
      `${what} [${shape.join(', ')}] first wrong at ${place(firstWrong, shape)}: expected ${expected[firstWrong]}, ` +
      `got ${actual[firstWrong]}; ${wrong} of ${expected.length} values are off; ${verdict}`,
  }
}

/** The place of a flat index, like `[2, 17]`. */
export function place(index: number, shape: readonly number[]): string {
  const indices: number[] = []
  let rest = index
  for (const size of shape.toReversed()) {
    indices.unshift(rest % size)
    rest = Math.floor(rest / size)
  }
  return `[${indices.join(', ')}]`
}

/** The raw bits of f32 or i32 values, in which -0 and 0 differ, and NaN equals itself. */
export function bitsOf(values: HostArray): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length)
}

/** Says where the bits differ, or nothing when they are the same. */
export function bitDifference(one: Uint32Array, other: Uint32Array): string | undefined {
  let first = -1
  let count = 0
  for (let i = 0; i < one.length; i++) {
    if (one[i] === other[i]) continue
    if (first < 0) first = i
    count++
  }
  if (first < 0) return undefined
  return `first at value ${first}: ${bitText(one[first]!)} and ${bitText(other[first]!)}; ${count} of ${one.length} values differ`
}

function bitText(bits: number): string {
  const value = new Float32Array(Uint32Array.of(bits).buffer)[0]
  return `${value} (0x${bits.toString(16).padStart(8, '0')})`
}
