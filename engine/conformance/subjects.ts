// Typical calls of each op, ready to be timed, with the sizes of a small Llama.

import type { Backend, KVCache, OpName, Tensor, WeightSpec } from '../backend.ts'
import { byteSize, type WeightDType } from '../dtype.ts'
import { floats, type Random } from './random.ts'
import { newSequence, segmentsOf, storeRandom } from './sequences.ts'
import { makeWeight } from './weights.ts'
import type { Workspace } from './workspace.ts'

/**
 * Calls ready to be recorded. A backend may put off what nobody reads, so there is something to read of every call: the
 * last output where each takes its work, all outputs where a backend may leave work for when they are wanted.
 */
export interface Prepared {
  /** Records a call; they are counted from 0 after each read. */
  record(call: number): void
  /** Calls to one read at most. Default: any number. */
  readonly most?: number
  /** What to read after so many calls; of an op that writes to a cache, something that is computed from that. */
  results(calls: number): readonly Tensor[]
}

/** Milliseconds of so many calls, up to their results. */
export async function timeCalls(backend: Backend, { record, results }: Prepared, calls: number): Promise<number> {
  const started = performance.now()
  for (let call = 0; call < calls; call++) record(call)
  await backend.read(results(calls))
  return performance.now() - started
}

/** Outputs that are read one by one: so many of them are kept. */
const keptOutputs = 32

export interface Subject {
  readonly op: OpName
  readonly dtype?: WeightDType
  readonly shape: string
  /** Of the calls of an op the one to time where one is enough. */
  readonly typical: boolean
  /** What a call reads whole; only of `linear`. */
  readonly weight?: WeightSpec
  prepare(space: Workspace, random: Random, rows: number): Prepared
}

/** The sizes of SmolLM2-135M. */
const [hidden, inner, heads, kvHeads, headSize, vocabulary, positions] = [576, 1536, 9, 3, 64, 49152, 256]

/** Its weights `[out, in]`, by the projections that have them. */
const projections = [
  { names: 'gate, up', shape: [inner, hidden] },
  { names: 'q, o', shape: [heads * headSize, hidden] },
  { names: 'k, v', shape: [kvHeads * headSize, hidden] },
  { names: 'down', shape: [hidden, inner] },
  { names: 'head', shape: [vocabulary, hidden] },
] as const

/** Cached positions over which attention is timed. */
const contexts = [positions, 1024] as const

/** Rows that a call may have. */
export const mostTimedRows: number = positions

/** Bytes of weights that a call reads. */
export function weightBytes({ weight }: Subject): number | undefined {
  return weight && byteSize(weight.dtype, weight.shape)
}

/** Every op, those with weights for each type. */
export function timedSubjects(dtypes: readonly WeightDType[]): Subject[] {
  const rowsOf = (space: Workspace, random: Random, rows: number, width: number): Tensor =>
    space.values(floats(random, rows * width), [rows, width])

  const ofWeights = dtypes.flatMap((dtype): Subject[] => [
    {
      op: 'embed',
      dtype,
      shape: `${dtype} [1024, ${hidden}]`,
      typical: true,
      prepare(space, random, rows) {
        const table = space.weight(makeWeight(floats(random, 1024 * hidden), [1024, hidden], dtype))
        const out = space.unset([rows, hidden])
        const ids = Int32Array.from({ length: rows }, () => random.below(1024))
        return { record: () => space.ops.embed(out, ids, { table }), results: () => [out] }
      },
    },
    ...projections.map(({ names, shape }, i): Subject => {
      const [size, inSize] = shape
      return {
        op: 'linear',
        dtype,
        shape: `${dtype} [${size}, ${inSize}] (${names})`,
        typical: i === 0,
        weight: { shape, dtype },
        prepare(space, random, rows) {
          const weight = space.weight({ shape, dtype, data: tallWeight(random, shape, dtype) })
          const x = rowsOf(space, random, rows, inSize)
          const out = space.unset([rows, size])
          return { record: () => space.ops.linear(out, x, { weight }), results: () => [out] }
        },
      }
    }),
  ])
  return [...ofWeights, ...plainSubjects(rowsOf)]
}

/** The bytes of a weight, the rows of which repeat after a while: a large one takes long to make. */
function tallWeight(random: Random, [size, inSize]: readonly [number, number], dtype: WeightDType): Uint8Array {
  const own = Math.min(size, inner)
  const { data } = makeWeight(floats(random, own * inSize), [own, inSize], dtype)
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const all = new Uint8Array(byteSize(dtype, [size, inSize]))
  for (let at = 0; at < all.length; at += bytes.length) all.set(bytes.subarray(0, all.length - at), at)
  return all
}

function plainSubjects(
  rowsOf: (space: Workspace, random: Random, rows: number, width: number) => Tensor,
): readonly Subject[] {
  const kvWidth = kvHeads * headSize
  return [
    {
      op: 'rmsNorm',
      shape: `[rows, ${hidden}]`,
      typical: true,
      prepare(space, random, rows) {
        const x = rowsOf(space, random, rows, hidden)
        const weight = space.values(floats(random, hidden), [hidden])
        const out = space.unset([rows, hidden])
        return { record: () => space.ops.rmsNorm(out, x, { weight, epsilon: 1e-5 }), results: () => [out] }
      },
    },
    {
      op: 'rope',
      shape: `[rows, ${hidden}]`,
      typical: true,
      prepare(space, random, rows) {
        const x = rowsOf(space, random, rows, hidden)
        const table = rowsOf(space, random, positions, headSize / 2)
        const cache = space.cache({ layers: 1, width: kvWidth, capacity: positions })
        const options = { cos: table, sin: table, segments: [{ cache, start: positions - rows, count: rows }] }
        const out = space.unset([rows, hidden])
        return { record: () => space.ops.rope(out, x, options), results: () => [out] }
      },
    },
    {
      op: 'storeKV',
      shape: `[rows, ${kvWidth}]`,
      typical: true,
      prepare(space, random, rows) {
        const x = rowsOf(space, random, rows, kvWidth)
        const cache = space.cache({ layers: 1, width: kvWidth, capacity: positions })
        const options = { layer: 0, segments: [{ cache, start: 0, count: rows }] }
        return { record: () => space.ops.storeKV(x, x, options), results: readerOf(space, random, cache, rows) }
      },
    },
    ...contexts.map(
      (context, i): Subject => ({
        op: 'attention',
        shape: `heads ${heads}:${kvHeads} of ${headSize} at ${context}`,
        typical: i === 0,
        prepare(space, random, rows) {
          const sequence = newSequence(space, { layers: 1, width: kvWidth, capacity: context })
          storeRandom(space, random, [{ sequence, start: 0, count: context }])
          const queries = rowsOf(space, random, rows, heads * headSize)
          const out = space.unset([rows, heads * headSize])
          const segments = segmentsOf([{ sequence, start: context - rows, count: rows }])
          const options = { layer: 0, segments, headSize, scale: 0.125 }
          return { record: () => space.ops.attention(out, queries, options), results: () => [out] }
        },
      }),
    ),
    {
      op: 'swiglu',
      shape: `[rows, ${inner}]`,
      typical: true,
      prepare(space, random, rows) {
        const gate = rowsOf(space, random, rows, inner)
        const up = rowsOf(space, random, rows, inner)
        const out = space.unset([rows, inner])
        return { record: () => space.ops.swiglu(out, gate, up), results: () => [out] }
      },
    },
    {
      op: 'copyRows',
      shape: `[rows, ${hidden}]`,
      typical: true,
      prepare(space, random, rows) {
        const x = rowsOf(space, random, rows + 1, hidden)
        const outs = Array.from({ length: keptOutputs }, () => space.unset([rows, hidden]))
        // Not all rows in their order, which would take no copy.
        const options = { rows: Array.from({ length: rows }, (_, i) => i + 1), at: 0 }
        return {
          record: (call) => space.ops.copyRows(outs[call]!, x, options),
          most: keptOutputs,
          results: (calls) => outs.slice(0, calls),
        }
      },
    },
    {
      op: 'copyKV',
      shape: `[rows, ${kvWidth}]`,
      typical: true,
      prepare(space, random, rows) {
        const make = () => newSequence(space, { layers: 1, width: kvWidth, capacity: positions })
        const [out, source] = [make(), make()]
        storeRandom(space, random, [{ sequence: source, start: 0, count: positions }])
        const range = { from: 0, to: rows }
        readerOf(space, random, source.cache, rows)
        return {
          record: () => space.ops.copyKV(out.cache, source.cache, range),
          results: readerOf(space, random, out.cache, rows),
        }
      },
    },
    {
      op: 'select',
      shape: `[rows, ${vocabulary}]`,
      typical: true,
      prepare(space, random, rows) {
        const logits = rowsOf(space, random, rows, vocabulary)
        const outs = Array.from({ length: keptOutputs }, () => {
          return { ids: space.unset([rows], 'i32'), scores: space.unset([rows, 2]) }
        })
        return {
          record: (call) => space.ops.select(outs[call]!, logits, {}),
          most: keptOutputs,
          results: (calls) => outs.slice(0, calls).map(({ scores }) => scores),
        }
      },
    },
  ]
}

/** Reads the first positions of a cache, by attention over them; once at first, since that may give it its final form. */
function readerOf(space: Workspace, random: Random, cache: KVCache, count: number): () => readonly Tensor[] {
  const shape = [count, cache.width]
  const queries = space.values(floats(random, count * cache.width), shape)
  const out = space.unset(shape)
  const options = { layer: 0, segments: [{ cache, start: 0, count }], headSize, scale: 0.125 }
  const read = (): readonly Tensor[] => {
    space.ops.attention(out, queries, options)
    return [out]
  }
  read()
  return read
}
