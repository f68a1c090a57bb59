// Cases of `attention`: grouped heads, ragged sequences, long contexts, windows, shared parents.

import { accuracyCase } from './accuracy.ts'
import { attentionInvarianceCases } from './attention-invariance.ts'
import type { Case, CaseSettings } from './case.ts'
import type { Random } from './random.ts'
import {
  expectedAttention,
  newSequence,
  type Rows,
  type Sequence,
  type Spread,
  segmentsOf,
  spreadFloats,
  storeRandom,
} from './sequences.ts'
import type { Workspace } from './workspace.ts'

interface Input {
  readonly heads: number
  readonly kvHeads: number
  readonly headSize: number
  /** Per sequence: positions stored by earlier passes, and rows of this one. */
  readonly sequences: readonly { readonly past: number; readonly count: number }[]
  /** Of `past`, the positions held by a parent that all sequences share, or by a chain of parents, outermost first. */
  readonly parents?: readonly number[]
  readonly window?: number
  /** Of queries and keys. */
  readonly spread?: Spread
}

const one = (past: number, count: number) => [{ past, count }]
const ragged = [
  { past: 0, count: 1 },
  { past: 17, count: 3 },
  { past: 64, count: 1 },
  { past: 31, count: 2 },
]

const inputs: readonly Input[] = [
  { heads: 1, kvHeads: 1, headSize: 1, sequences: one(0, 1) },
  { heads: 1, kvHeads: 1, headSize: 3, sequences: one(0, 5) },
  { heads: 2, kvHeads: 2, headSize: 5, sequences: one(3, 4) },
  { heads: 1, kvHeads: 1, headSize: 64, sequences: one(7, 2) },
  { heads: 4, kvHeads: 2, headSize: 16, sequences: one(0, 9) },
  { heads: 6, kvHeads: 3, headSize: 20, sequences: one(12, 3) },
  { heads: 9, kvHeads: 3, headSize: 64, sequences: one(30, 5) },
  { heads: 8, kvHeads: 1, headSize: 32, sequences: one(33, 4) },
  { heads: 5, kvHeads: 5, headSize: 7, sequences: one(20, 6) },
  { heads: 4, kvHeads: 4, headSize: 80, sequences: one(15, 2) },
  { heads: 4, kvHeads: 2, headSize: 16, sequences: ragged },
  { heads: 9, kvHeads: 3, headSize: 33, sequences: ragged },
  { heads: 2, kvHeads: 1, headSize: 8, sequences: Array.from({ length: 9 }, (_, i) => ({ past: 5 * i, count: 1 })) },
  // Rows on both sides of the places where a kernel may cut its sums.
  ...[8, 16, 32, 64, 128, 256].map((edge) => ({ heads: 2, kvHeads: 1, headSize: 16, sequences: one(edge - 2, 4) })),
  { heads: 4, kvHeads: 2, headSize: 16, sequences: one(1022, 4) },
  { heads: 2, kvHeads: 2, headSize: 20, sequences: one(1095, 5) },
  {
    heads: 3,
    kvHeads: 1,
    headSize: 32,
    sequences: [
      { past: 1100, count: 1 },
      { past: 2, count: 3 },
      { past: 513, count: 2 },
    ],
  },
  { heads: 2, kvHeads: 1, headSize: 8, sequences: one(8189, 3) },
  { heads: 2, kvHeads: 1, headSize: 16, sequences: one(0, 130) },
  { heads: 4, kvHeads: 2, headSize: 16, sequences: one(20, 4), window: 1 },
  { heads: 4, kvHeads: 2, headSize: 16, sequences: one(4, 9), window: 5 },
  { heads: 2, kvHeads: 1, headSize: 33, sequences: ragged, window: 32 },
  { heads: 2, kvHeads: 1, headSize: 16, sequences: one(300, 3), window: 100 },
  { heads: 2, kvHeads: 1, headSize: 16, sequences: one(6, 3), window: 1000 },
  { heads: 4, kvHeads: 2, headSize: 16, sequences: [...one(13, 3), ...one(13, 1), ...one(20, 2)], parents: [13] },
  { heads: 6, kvHeads: 3, headSize: 20, sequences: [...one(67, 1), ...one(90, 4)], parents: [67] },
  { heads: 2, kvHeads: 1, headSize: 16, sequences: [...one(260, 2), ...one(259, 3)], parents: [257] },
  { heads: 2, kvHeads: 1, headSize: 16, sequences: [...one(9, 2), ...one(8, 1)], parents: [7], window: 4 },
  { heads: 2, kvHeads: 1, headSize: 16, sequences: [...one(30, 2), ...one(23, 3)], parents: [5, 23] },
  { heads: 2, kvHeads: 1, headSize: 8, sequences: [...one(3, 2), ...one(0, 2)], parents: [0] },
  { heads: 2, kvHeads: 1, headSize: 64, sequences: one(70, 5), spread: { scale: 2 } },
  { heads: 2, kvHeads: 2, headSize: 16, sequences: one(70, 5), spread: { scale: 0.01 } },
  // Scores from about -200 to 200, which exp only stands after the largest was subtracted.
  { heads: 2, kvHeads: 1, headSize: 64, sequences: one(0, 70), spread: { scale: 8, whole: true } },
]

export function attentionCases(settings: CaseSettings): Case[] {
  return [
    ...inputs.map((input) =>
      accuracyCase(settings, { op: 'attention', name: `${describe(input)} match float64` }, (space, random) => {
        const { heads, kvHeads, headSize, sequences, window, spread = {} } = input
        const layer = 1
        const rows = prepare(space, random, input, kvHeads * headSize)
        const shape = [sequences.reduce((sum, { count }) => sum + count, 0), heads * headSize]
        const queries = spreadFloats(random, shape[0]! * shape[1]!, spread)
        const options = { layer, headSize, scale: 1 / Math.sqrt(headSize), window }
        const out = space.poisoned(shape)
        space.ops.attention(out, space.values(queries, shape), { ...options, segments: segmentsOf(rows) })
        return [{ what: 'out', actual: out, expected: expectedAttention(queries, rows, options) }]
      }),
    ),
    ...attentionInvarianceCases(settings),
  ]
}

/** Parents and pasts are stored first, as earlier passes; then the rows of this pass, which are returned. */
function prepare(space: Workspace, random: Random, { sequences, parents = [], spread }: Input, width: number): Rows[] {
  const layers = 2
  let parent: { sequence: Sequence; length: number } | undefined
  for (const length of parents) {
    // Longer than what is shared: the rest is the parent's own.
    const sequence = newSequence(space, { layers, width, capacity: length + 4, parent })
    const start = parent?.length ?? 0
    storeRandom(space, random, [{ sequence, start, count: length + 4 - start }], spread)
    parent = { sequence, length }
  }
  const first = parent?.length ?? 0
  const made = sequences.map(({ past, count }) => ({
    sequence: newSequence(space, { layers, width, capacity: past + count + 1, parent }),
    past,
    count,
  }))
  const earlier = made.flatMap(({ sequence, past }) =>
    past > first ? [{ sequence, start: first, count: past - first }] : [],
  )
  if (earlier.length > 0) storeRandom(space, random, earlier, spread)
  const rows = made.map(({ sequence, past, count }) => ({ sequence, start: past, count }))
  storeRandom(space, random, rows, spread)
  return rows
}

function describe({ heads, kvHeads, headSize, sequences, window, parents, spread }: Input): string {
  const rows = sequences.map(({ past, count }) => `${count} after ${past}`).join(', ')
  return [
    `heads ${heads}:${kvHeads} of ${headSize}, rows ${sequences.length > 9 ? `${sequences.length} sequences` : rows}`,
    ...(window === undefined ? [] : [`window ${window}`]),
    ...(parents === undefined ? [] : [`parent ${parents.join(' in ')}`]),
    ...(spread === undefined ? [] : [`${spread.whole ? 'whole ' : ''}queries and keys of size ${spread.scale}`]),
  ].join(', ')
}
