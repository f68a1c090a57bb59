// Cases of `rope`: heads of any even size, ragged positions, in place.

import { accuracyCase } from './accuracy.ts'
import type { Case, CaseSettings } from './case.ts'
import { baseRows, rowCases, scheduleCase } from './invariance.ts'
import * as oracle from './oracle.ts'
import { floats, type Random } from './random.ts'
import type { Workspace } from './workspace.ts'

interface Input {
  readonly heads: number
  readonly half: number
  /** First position and number of rows, per sequence. */
  readonly sequences: readonly (readonly [start: number, count: number])[]
  readonly inPlace?: true
}

const inputs: readonly Input[] = [
  { heads: 1, half: 1, sequences: [[0, 1]] },
  { heads: 3, half: 1, sequences: [[5, 3]] },
  { heads: 2, half: 3, sequences: [[0, 5]] },
  { heads: 5, half: 8, sequences: [[7, 4]] },
  { heads: 3, half: 10, sequences: [[31, 2]] },
  { heads: 9, half: 32, sequences: [[0, 9]] },
  { heads: 4, half: 40, sequences: [[63, 3]] },
  { heads: 1, half: 33, sequences: [[1096, 4]] },
  {
    heads: 4,
    half: 8,
    sequences: [
      [0, 1],
      [17, 3],
      [900, 1],
      [3, 2],
    ],
  },
  { heads: 3, half: 32, sequences: [[11, 1]], inPlace: true },
  {
    heads: 6,
    half: 10,
    sequences: [
      [40, 4],
      [0, 3],
    ],
    inPlace: true,
  },
]

const positions = 1100

export function ropeCases(settings: CaseSettings): Case[] {
  return [
    ...inputs.map((input) => accuracy(settings, input)),
    ...[
      { heads: 3, half: 10 },
      { heads: 9, half: 32 },
    ].flatMap((shape) => [...amongSequences(settings, shape), cut(settings, shape)]),
  ]
}

function accuracy(settings: CaseSettings, { heads, half, sequences, inPlace }: Input): Case {
  const where = sequences.map(([start, count]) => `${count} from ${start}`).join(', ')
  const name = `${heads} heads of ${2 * half}, rows ${where}${inPlace ? ', in place' : ''}, match float64`
  return accuracyCase(settings, { op: 'rope', name }, (space, random) => {
    const rows = sequences.flatMap(([start, count]) => Array.from({ length: count }, (_, i) => start + i))
    const shape = [rows.length, heads * 2 * half]
    const x = floats(random, shape[0]! * shape[1]!)
    const { cos, sin } = rotations(random, half)
    const xTensor = space.values(x, shape)
    const out = inPlace ? xTensor : space.poisoned(shape)
    space.ops.rope(out, xTensor, {
      cos: space.values(cos, [positions, half]),
      sin: space.values(sin, [positions, half]),
      segments: sequences.map(([start, count]) => ({ cache: anyCache(space), start, count })),
    })
    return [{ what: 'out', actual: out, expected: oracle.rope(x, { cos, sin, half, positions: rows }) }]
  })
}

interface Shape {
  readonly heads: number
  readonly half: number
}

/** Every row is of another sequence, at another position. */
function amongSequences(settings: CaseSettings, { heads, half }: Shape): Case[] {
  const name = `rows of ${heads} heads of ${2 * half}, each of its own sequence`
  return rowCases(settings, { op: 'rope', name }, (space, random) => {
    const width = heads * 2 * half
    const x = floats(random, baseRows * width)
    const tables = uploadRotations(space, random, half)
    const caches = Array.from({ length: 33 }, () => anyCache(space))
    const starts = Array.from({ length: baseRows }, () => random.below(positions))
    return (picks) => {
      const shape = [picks.length, width]
      const out = space.unset(shape)
      space.ops.rope(out, space.values(Float32Array.from(oracle.pickRows(x, picks, width)), shape), {
        ...tables,
        segments: picks.map((pick, i) => ({ cache: caches[i]!, start: starts[pick]!, count: 1 })),
      })
      return [out]
    }
  })
}

function cut(settings: CaseSettings, { heads, half }: Shape): Case {
  const lengths = [23, 5, 14]
  const name = `a row is the same however its sequence was cut: ${heads} heads of ${2 * half}, sequences of ${lengths.join(', ')}`
  return scheduleCase(settings, { op: 'rope', name, lengths }, (space, random) => {
    const width = heads * 2 * half
    const sources = lengths.map((length) => ({ x: floats(random, length * width), cache: anyCache(space) }))
    const tables = uploadRotations(space, random, half)
    return () => (pass) => {
      const x = pass.flatMap(({ sequence, start, count }) =>
        Array.from(sources[sequence]!.x.subarray(start * width, (start + count) * width)),
      )
      const shape = [x.length / width, width]
      const out = space.unset(shape)
      space.ops.rope(out, space.values(Float32Array.from(x), shape), {
        ...tables,
        segments: pass.map(({ sequence, start, count }) => ({ cache: sources[sequence]!.cache, start, count })),
      })
      return out
    }
  })
}

/** Segments need a cache, of which rope reads nothing. */
function anyCache(space: Workspace) {
  return space.cache({ layers: 1, width: 1, capacity: positions })
}

/** Random rotations instead of those of a model: `cos` and `sin` `[positions, half]`, without trigonometry. */
function rotations(random: Random, half: number): { cos: Float32Array; sin: Float32Array } {
  const cos = new Float32Array(positions * half)
  const sin = new Float32Array(positions * half)
  for (let i = 0; i < cos.length; i++) {
    const t = 4 * random.uniform() - 2
    cos[i] = (1 - t * t) / (1 + t * t)
    sin[i] = (2 * t) / (1 + t * t)
  }
  return { cos, sin }
}

function uploadRotations(space: Workspace, random: Random, half: number) {
  const { cos, sin } = rotations(random, half)
  return { cos: space.values(cos, [positions, half]), sin: space.values(sin, [positions, half]) }
}
