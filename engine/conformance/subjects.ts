// One typical call of each op, ready to be timed, with the sizes of a small Llama.

import type { OpName, Tensor } from '../backend.ts'
import { byteSize, type WeightDType } from '../dtype.ts'
import { floats, type Random } from './random.ts'
import { newSequence, segmentsOf, storeRandom } from './sequences.ts'
import { makeWeight } from './weights.ts'
import type { Workspace } from './workspace.ts'

/** Records one call. Read `out` to wait for it. */
export interface Prepared {
  readonly out: Tensor
  record(): void
}

export interface Subject {
  readonly op: OpName
  readonly dtype?: WeightDType
  readonly shape: string
  /** Bytes of weights that a call reads; only of `linear`. */
  readonly weightBytes?: number
  prepare(space: Workspace, random: Random, rows: number): Prepared
}

/** The sizes of SmolLM2-135M. */
const [hidden, inner, heads, kvHeads, headSize, vocabulary, positions] = [576, 1536, 9, 3, 64, 49152, 256]

/** Every op, those with weights once for each type. */
export function timedSubjects(dtypes: readonly WeightDType[]): Subject[] {
  const rowsOf = (space: Workspace, random: Random, rows: number, width: number): Tensor =>
    space.values(floats(random, rows * width), [rows, width])

  const ofWeights = dtypes.flatMap((dtype): Subject[] => [
    {
      op: 'embed',
      dtype,
      shape: `${dtype} [1024, ${hidden}]`,
      prepare(space, random, rows) {
        const table = space.weight(makeWeight(floats(random, 1024 * hidden), [1024, hidden], dtype))
        const out = space.unset([rows, hidden])
        const ids = Int32Array.from({ length: rows }, () => random.below(1024))
        return { out, record: () => space.ops.embed(out, ids, { table }) }
      },
    },
    {
      op: 'linear',
      dtype,
      shape: `${dtype} [${inner}, ${hidden}]`,
      weightBytes: byteSize(dtype, [inner, hidden]),
      prepare(space, random, rows) {
        const weight = space.weight(makeWeight(floats(random, inner * hidden), [inner, hidden], dtype))
        const x = rowsOf(space, random, rows, hidden)
        const out = space.unset([rows, inner])
        return { out, record: () => space.ops.linear(out, x, { weight }) }
      },
    },
  ])
  return [...ofWeights, ...plainSubjects(rowsOf)]
}

function plainSubjects(
  rowsOf: (space: Workspace, random: Random, rows: number, width: number) => Tensor,
): readonly Subject[] {
  const kvWidth = kvHeads * headSize
  return [
    {
      op: 'rmsNorm',
      shape: `[rows, ${hidden}]`,
      prepare(space, random, rows) {
        const x = rowsOf(space, random, rows, hidden)
        const weight = space.values(floats(random, hidden), [hidden])
        const out = space.unset([rows, hidden])
        return { out, record: () => space.ops.rmsNorm(out, x, { weight, epsilon: 1e-5 }) }
      },
    },
    {
      op: 'rope',
      shape: `[rows, ${hidden}]`,
      prepare(space, random, rows) {
        const x = rowsOf(space, random, rows, hidden)
        const table = rowsOf(space, random, positions, headSize / 2)
        const cache = space.cache({ layers: 1, width: kvWidth, capacity: positions })
        const options = { cos: table, sin: table, segments: [{ cache, start: positions - rows, count: rows }] }
        const out = space.unset([rows, hidden])
        return { out, record: () => space.ops.rope(out, x, options) }
      },
    },
    {
      op: 'storeKV',
      shape: `[rows, ${kvWidth}]`,
      prepare(space, random, rows) {
        const x = rowsOf(space, random, rows, kvWidth)
        const cache = space.cache({ layers: 1, width: kvWidth, capacity: positions })
        const options = { layer: 0, segments: [{ cache, start: 0, count: rows }] }
        return { out: space.values(Float32Array.of(0), [1]), record: () => space.ops.storeKV(x, x, options) }
      },
    },
    {
      op: 'attention',
      shape: `heads ${heads}:${kvHeads} of ${headSize} at ${positions}`,
      prepare(space, random, rows) {
        const sequence = newSequence(space, { layers: 1, width: kvWidth, capacity: positions })
        storeRandom(space, random, [{ sequence, start: 0, count: positions }])
        const queries = rowsOf(space, random, rows, heads * headSize)
        const out = space.unset([rows, heads * headSize])
        const segments = segmentsOf([{ sequence, start: positions - rows, count: rows }])
        const options = { layer: 0, segments, headSize, scale: 0.125 }
        return { out, record: () => space.ops.attention(out, queries, options) }
      },
    },
    {
      op: 'swiglu',
      shape: `[rows, ${inner}]`,
      prepare(space, random, rows) {
        const gate = rowsOf(space, random, rows, inner)
        const up = rowsOf(space, random, rows, inner)
        const out = space.unset([rows, inner])
        return { out, record: () => space.ops.swiglu(out, gate, up) }
      },
    },
    {
      op: 'copyRows',
      shape: `[rows, ${hidden}]`,
      prepare(space, random, rows) {
        const x = rowsOf(space, random, rows, hidden)
        const out = space.unset([rows, hidden])
        const list = Array.from({ length: rows }, (_, i) => i)
        return { out, record: () => space.ops.copyRows(out, x, { rows: list, at: 0 }) }
      },
    },
    {
      op: 'copyKV',
      shape: `[rows, ${kvWidth}]`,
      prepare(space, random, rows) {
        const make = () => newSequence(space, { layers: 1, width: kvWidth, capacity: positions })
        const [out, source] = [make(), make()]
        storeRandom(space, random, [{ sequence: source, start: 0, count: positions }])
        const range = { from: 0, to: rows }
        const read = space.values(Float32Array.of(0), [1])
        return { out: read, record: () => space.ops.copyKV(out.cache, source.cache, range) }
      },
    },
    {
      op: 'select',
      shape: `[rows, ${vocabulary}]`,
      prepare(space, random, rows) {
        const logits = rowsOf(space, random, rows, vocabulary)
        const out = { ids: space.unset([rows], 'i32'), scores: space.unset([rows, 2]) }
        return { out: out.scores, record: () => space.ops.select(out, logits, {}) }
      },
    },
  ]
}
