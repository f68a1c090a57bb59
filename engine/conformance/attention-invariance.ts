// Invariance cases of `attention`: rows of other sequences, cuts into passes, shared parents, leftovers of a draft.

import type { Tensor } from '../backend.ts'
import type { Case, CaseSettings } from './case.ts'
import { baseRows, invarianceCase, rowCases, scheduleCase } from './invariance.ts'
import { pickRows } from './oracle.ts'
import { floats, type Random } from './random.ts'
import { newSequence, type Rows, type Sequence, segmentsOf, storeRandom, storeTwins } from './sequences.ts'
import type { Workspace } from './workspace.ts'

interface Heads {
  readonly heads: number
  readonly kvHeads: number
  readonly headSize: number
  readonly window?: number
}

/** What a sequence is made of: rows of each position. */
interface Source {
  readonly length: number
  readonly queries: Float32Array
  readonly keys: Float32Array
  readonly values: Float32Array
}

const layer = 0

export function attentionInvarianceCases(settings: CaseSettings): Case[] {
  const grouped = { heads: 4, kvHeads: 2, headSize: 16 }
  const shapes: readonly Heads[] = [
    grouped,
    { heads: 3, kvHeads: 1, headSize: 33 },
    { heads: 2, kvHeads: 2, headSize: 8, window: 12 },
  ]
  return [
    ...shapes.flatMap((shape) => [
      ...amongSequences(settings, shape),
      cut(settings, shape, [41, 9, 70]),
      sharedParent(settings, shape),
      leftovers(settings, shape),
    ]),
    cut(settings, grouped, [300]),
  ]
}

const nameOf = ({ heads, kvHeads, headSize, window }: Heads): string =>
  `heads ${heads}:${kvHeads} of ${headSize}${window === undefined ? '' : `, window ${window}`}`

/** Every base row is the newest of a sequence of its own; a row picked several times has several such sequences. */
function amongSequences(settings: CaseSettings, shape: Heads): Case[] {
  return rowCases(settings, { op: 'attention', name: `${nameOf(shape)}, sequences of 1 to 265` }, (space, random) => {
    const copies = 4
    const rows = [0, 1, 6, 15, 16, 40, 63, 131, 264].map((start) => {
      const source = newSource(random, shape, start + 1)
      const sequences = Array.from({ length: copies }, () => sequenceOf(space, shape, source))
      for (const sequence of sequences) storeTwins(space, [{ sequence, start: 0, count: start + 1 }], layer)
      return { sequences, start }
    })
    const width = shape.heads * shape.headSize
    const queries = floats(random, baseRows * width)
    return (picks) => {
      const picked = picks.map((pick, i): Rows => {
        const { sequences, start } = rows[pick]!
        return { sequence: sequences[Math.floor(i / baseRows)]!, start, count: 1 }
      })
      return [attend(space, shape, pickRows(queries, picks, width), picked)]
    }
  })
}

/** However the sequences are cut into passes and mixed. */
function cut(settings: CaseSettings, shape: Heads, lengths: readonly number[]): Case {
  const name = `a row is the same however its sequence was cut: ${nameOf(shape)}, sequences of ${lengths.join(', ')}`
  return scheduleCase(settings, { op: 'attention', name, lengths }, (space, random) => {
    const sources = lengths.map((length) => newSource(random, shape, length))
    const width = shape.heads * shape.headSize
    return () => {
      const sequences = sources.map((source) => sequenceOf(space, shape, source))
      return (pass) => {
        const rows = pass.map(({ sequence, start, count }) => ({ sequence: sequences[sequence]!, start, count }))
        const queries = pass.flatMap(({ sequence, start, count }) =>
          Array.from(sources[sequence]!.queries.subarray(start * width, (start + count) * width)),
        )
        storeTwins(space, rows, layer)
        return attend(space, shape, queries, rows)
      }
    }
  })
}

/** A sequence that continues a parent equals the same sequence in a cache of its own. */
function sharedParent(settings: CaseSettings, shape: Heads): Case {
  const [shared, length] = [37, 45]
  const name = `a row is the same over a parent of ${shared} positions and without one: ${nameOf(shape)}`
  return invarianceCase(settings, { op: 'attention', name, scope: 'passes' }, (space, random) => {
    const source = newSource(random, shape, length)
    const flat = sequenceOf(space, shape, source)
    const parent = sequenceOf(space, shape, source)
    const child = sequenceOf(space, shape, source, { sequence: parent, length: shared })
    storeTwins(space, [{ sequence: flat, start: 0, count: length }], layer)
    storeTwins(space, [{ sequence: parent, start: 0, count: shared }], layer)
    storeTwins(space, [{ sequence: child, start: shared, count: length - shared }], layer)
    const queries = source.queries.subarray(shared * shape.heads * shape.headSize)
    const rows = Array.from({ length: length - shared }, (_, i) => shared + i)
    return [flat, child].map((sequence) => ({
      where: () => (sequence === flat ? 'without a parent' : 'over a parent'),
      rows,
      outputs: [attend(space, shape, queries, [{ sequence, start: shared, count: rows.length }])],
    }))
  })
}

/** What a draft left above a row's position does not reach the row. */
function leftovers(settings: CaseSettings, shape: Heads): Case {
  const [length, beyond] = [29, 47]
  const name = `a row is the same whatever its cache holds above it: ${nameOf(shape)}`
  return invarianceCase(settings, { op: 'attention', name, scope: 'passes' }, (space, random) => {
    const source = newSource(random, shape, length)
    const width = shape.kvHeads * shape.headSize
    const clean = sequenceOf(space, shape, source)
    const used = newSequence(space, { layers: 1, width, capacity: beyond })
    storeRandom(space, random, [{ sequence: used, start: 0, count: beyond }], { scale: 1000 })
    used.keys[layer]!.set(source.keys)
    used.values[layer]!.set(source.values)
    const rows = Array.from({ length }, (_, i) => i)
    return [clean, used].map((sequence) => {
      storeTwins(space, [{ sequence, start: 0, count: length }], layer)
      return {
        where: () => (sequence === clean ? 'in a new cache' : 'in a cache with leftovers above'),
        rows,
        outputs: [attend(space, shape, source.queries, [{ sequence, start: 0, count: length }])],
      }
    })
  })
}

function newSource(random: Random, { heads, kvHeads, headSize }: Heads, length: number): Source {
  return {
    length,
    queries: floats(random, length * heads * headSize),
    keys: floats(random, length * kvHeads * headSize),
    values: floats(random, length * kvHeads * headSize),
  }
}

/** An empty cache whose twin is the source already, ready for `storeTwins`. */
function sequenceOf(
  space: Workspace,
  { kvHeads, headSize }: Heads,
  { length, keys, values }: Source,
  parent?: { sequence: Sequence; length: number },
): Sequence {
  const sequence = newSequence(space, { layers: 1, width: kvHeads * headSize, capacity: length, parent })
  sequence.keys[layer]!.set(keys)
  sequence.values[layer]!.set(values)
  return sequence
}

function attend(space: Workspace, shape: Heads, queries: ArrayLike<number>, rows: readonly Rows[]): Tensor {
  const { heads, headSize, window } = shape
  const size = [queries.length / (heads * headSize), heads * headSize]
  const out = space.unset(size)
  space.ops.attention(out, space.values(Float32Array.from(queries), size), {
    layer,
    headSize,
    scale: 1 / Math.sqrt(headSize),
    window,
    segments: segmentsOf(rows),
  })
  return out
}
