// Makes row-invariance cases: a row has the same bits alone, among others, at any place, and however its sequence was
// cut into passes. See "Row invariance" in engine/backend.ts.

import type { Backend, HostArray, Tensor } from '../backend.ts'
import type { CaseSpec } from './accuracy.ts'
import type { Case, CaseSettings, CaseSubject, InvarianceScope, Outcome } from './case.ts'
import { bitDifference, bitsOf } from './compare.ts'
import { type Random, randomFor } from './random.ts'
import { inWorkspace, type Workspace } from './workspace.ts'

/** Rows that {@link rowCases} picks from. */
export const baseRows = 9

/** One run of an op over some rows: what it wrote (first axis: rows), and what tells each row from the others. */
export interface RowRun {
  /** For the message, like `alone` or `place 2 of 5 rows`; `i` counts the rows of the run. */
  readonly where: (i: number) => string
  readonly rows: readonly (number | string)[]
  readonly outputs: readonly Tensor[]
}

/** An invariance case: equal keys in `rows` of any runs must come with equal bits. */
export function invarianceCase(
  settings: CaseSettings,
  spec: Omit<CaseSpec, 'op'> & { op: CaseSubject; scope: InvarianceScope },
  record: (space: Workspace, random: Random) => readonly RowRun[],
): Case {
  const { op, name, dtype, scope } = spec
  return {
    op,
    kind: 'invariance',
    name,
    dtype,
    scope,
    run: (backend) =>
      inWorkspace(backend, async (space): Promise<Outcome> => {
        const runs = record(space, randomFor(settings.seed, `${op} ${dtype} ${name}`))
        const difference = firstDifference(runs, await backend.read(runs.flatMap((run) => run.outputs)))
        if (difference === undefined) return { status: 'ok' }
        return promised(backend, scope)
          ? { status: 'failed', message: difference }
          : { status: 'found', message: `not invariant: ${difference}` }
      }),
  }
}

function promised({ capabilities }: Backend, scope: InvarianceScope): boolean {
  if (scope === 'passes') return capabilities.rowInvariant === true
  return capabilities.rowInvariant !== false
}

function firstDifference(runs: readonly RowRun[], read: readonly HostArray[]): string | undefined {
  const first = new Map<number | string, { bits: Uint32Array; where: string }>()
  let next = 0
  for (const run of runs) {
    const arrays = run.outputs.map(() => read[next++] ?? new Float32Array(0))
    for (const [i, row] of run.rows.entries()) {
      const bits = rowBits(arrays, i, run.rows.length)
      const where = run.where(i)
      const before = first.get(row)
      if (!before) first.set(row, { bits, where })
      const difference = before && bitDifference(before.bits, bits)
      if (difference) return `row ${row}, ${before.where} against ${where}, ${difference}`
    }
  }
  return undefined
}

/** The bits of row `i` of `rows` in every array, one after the other. */
function rowBits(arrays: readonly HostArray[], i: number, rows: number): Uint32Array {
  const parts = arrays.map((array) => {
    const size = array.length / rows
    return bitsOf(array).subarray(i * size, (i + 1) * size)
  })
  const all = new Uint32Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Runs an op over some of the {@link baseRows} rows, with fresh destinations; returns `[picks.length, ...]` tensors. */
export type RecordRows = (picks: readonly number[]) => readonly Tensor[]

/** The three cases of an op that works row by row. */
export function rowCases(
  settings: CaseSettings,
  spec: CaseSpec,
  prepare: (space: Workspace, random: Random) => RecordRows,
): Case[] {
  const run = (record: RecordRows, rows: readonly number[]): RowRun => ({
    where: (i) => (rows.length === 1 ? 'alone' : `at place ${i} of ${rows.length} rows`),
    rows,
    outputs: record(rows),
  })
  const all = Array.from({ length: baseRows }, (_, i) => i)
  const widths = [2, 3, 4, 5, 6, 7, 8, 9, 17, 33]
  return [
    invarianceCase(
      settings,
      { ...spec, scope: 'passes', name: `a row alone equals it among 2 to 33 rows: ${spec.name}` },
      (space, random) => {
        const record = prepare(space, random)
        return [...all.map((row) => [row]), ...widths.flatMap(rotations)].map((rows) => run(record, rows))
      },
    ),
    invarianceCase(
      settings,
      { ...spec, scope: 'width', name: `of 8 rows, a row depends on neither its place nor the others: ${spec.name}` },
      (space, random) => {
        const record = prepare(space, random)
        const orders = rotations(8)
        return [...orders, ...orders.map((order) => order.toReversed())].map((rows) => run(record, rows))
      },
    ),
    invarianceCase(
      settings,
      { ...spec, scope: 'repeat', name: `the same input twice gives the same bits: ${spec.name}` },
      (space, random) => {
        const record = prepare(space, random)
        return [run(record, all), run(record, all)]
      },
    ),
  ]
}

/** Picks of `width` rows that put every row at several places: the rows in a circle, from each start. */
function rotations(width: number): number[][] {
  return Array.from({ length: baseRows }, (_, start) => Array.from({ length: width }, (_, i) => (start + i) % baseRows))
}

/** Consecutive rows of one of a case's sequences. */
export interface Part {
  readonly sequence: number
  readonly start: number
  readonly count: number
}

/** Sequences cut into passes: each pass a list of parts. */
export type Schedule = readonly (readonly Part[])[]

/** Ways to run sequences of these lengths: all at once, row by row, and cut and mixed anyhow. */
export function schedules(random: Random, lengths: readonly number[]): { how: string; schedule: Schedule }[] {
  const whole = lengths.map((count, sequence) => ({ sequence, start: 0, count }))
  const single = whole.flatMap(({ sequence, count }) =>
    Array.from({ length: count }, (_, start) => [{ sequence, start, count: 1 }]),
  )
  const ways: { how: string; schedule: Schedule }[] = [
    { how: 'row by row', schedule: single },
    { how: 'in one pass', schedule: [whole] },
    { how: 'each sequence in a pass', schedule: whole.map((part) => [part]) },
  ]
  for (const most of [2, 5, 9, 40]) {
    ways.push({ how: `cut into up to ${most} rows and mixed`, schedule: cutAnyhow(random, lengths, most) })
  }
  return ways
}

function cutAnyhow(random: Random, lengths: readonly number[], most: number): Schedule {
  const done = lengths.map(() => 0)
  const schedule: Part[][] = []
  while (lengths.some((length, sequence) => done[sequence]! < length)) {
    const pass: Part[] = []
    for (const [sequence, length] of lengths.entries()) {
      const start = done[sequence]!
      const count = Math.min(length - start, random.below(most + 1))
      if (count === 0) continue
      pass.push({ sequence, start, count })
      done[sequence] = start + count
    }
    if (random.below(2) === 1) pass.reverse()
    if (pass.length > 0) schedule.push(pass)
  }
  return schedule
}

/** The invariance case of an op over sequences: `prepare` gives a function that starts anew and returns a pass's rows. */
export function scheduleCase(
  settings: CaseSettings,
  spec: CaseSpec & { lengths: readonly number[] },
  prepare: (space: Workspace, random: Random) => () => (pass: readonly Part[]) => Tensor,
): Case {
  return invarianceCase(settings, { ...spec, scope: 'passes' }, (space, random) => {
    const begin = prepare(space, random)
    return schedules(random, spec.lengths).flatMap(({ how, schedule }) => {
      const record = begin()
      return schedule.map((pass) => {
        const rows = pass.flatMap(({ sequence, start, count }) =>
          Array.from({ length: count }, (_, i) => `${start + i} of sequence ${sequence}`),
        )
        return { where: () => `run ${how}`, rows, outputs: [record(pass)] }
      })
    })
  })
}
