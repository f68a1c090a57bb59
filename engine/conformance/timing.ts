// A short measurement of each op's speed, to stand beside its error. For real figures see bench/.

import type { Backend, OpName, Tensor } from '../backend.ts'
import { byteSize, type WeightDType } from '../dtype.ts'
import { AbortError } from '../errors.ts'
import { floats, type Random, randomFor } from './random.ts'
import { newSequence, segmentsOf, storeRandom } from './sequences.ts'
import { makeWeight } from './weights.ts'
import { inWorkspace, type Workspace } from './workspace.ts'

export interface OpTime {
  readonly op: OpName
  readonly dtype?: WeightDType | undefined
  readonly shape: string
  /** Microseconds for 1 row and for 8, the median of a few repetitions. */
  readonly oneRow: number
  readonly eightRows: number
  /** Of weights read, for 1 row; only of `linear`. */
  readonly gigabytesPerSecond?: number | undefined
}

export interface TimeOptions {
  /** Default: all. */
  readonly ops?: readonly string[] | undefined
  /** Default: those that the backend lists. */
  readonly dtypes?: readonly WeightDType[] | undefined
  readonly signal?: AbortSignal | undefined
}

/** Records one call. Read `out` to wait for it. */
interface Prepared {
  readonly out: Tensor
  record(): void
}

interface Subject {
  readonly op: OpName
  readonly dtype?: WeightDType
  readonly shape: string
  readonly weightBytes?: number
  prepare(space: Workspace, random: Random, rows: number): Prepared
}

/** The sizes of a small Llama (SmolLM2-135M). */
const [hidden, inner, heads, kvHeads, headSize, vocabulary, positions] = [576, 1536, 9, 3, 64, 49152, 256]

/** Times each op on a typical shape. An op that throws is left out. Throws {@link AbortError}. */
export async function timeOps(backend: Backend, options: TimeOptions = {}): Promise<OpTime[]> {
  const { ops, dtypes = backend.capabilities.dtypes, signal } = options
  const times: OpTime[] = []
  for (const subject of subjects(dtypes)) {
    if (ops && !ops.includes(subject.op)) continue
    const { op, dtype, shape, weightBytes } = subject
    try {
      const oneRow = await time(backend, subject, 1, signal)
      const eightRows = await time(backend, subject, 8, signal)
      const gigabytesPerSecond = weightBytes === undefined ? undefined : weightBytes / oneRow / 1000
      times.push({ op, dtype, shape, oneRow, eightRows, gigabytesPerSecond })
    } catch (error) {
      if (error instanceof AbortError) throw error
    }
  }
  return times
}

function time(backend: Backend, subject: Subject, rows: number, signal: AbortSignal | undefined): Promise<number> {
  return inWorkspace(backend, async (space) => {
    const { out, record } = subject.prepare(space, randomFor(1, subject.op), rows)
    async function sample(calls: number): Promise<number> {
      const begin = performance.now()
      for (let i = 0; i < calls; i++) record()
      await backend.read([out])
      return performance.now() - begin
    }
    // So many calls that the read does not count; they warm up what compiles while it runs.
    let calls = 1
    while ((await sample(calls)) < 8 && calls < 5000) calls *= 2
    const samples: number[] = []
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve))
      if (signal?.aborted) throw new AbortError('timing was aborted', { cause: signal.reason })
      samples.push(((await sample(calls)) / calls) * 1000)
    }
    return samples.sort((a, b) => a - b)[2]!
  })
}

function subjects(dtypes: readonly WeightDType[]): Subject[] {
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
