// Every op by itself, on all shapes that it has in a small Llama, measured by benchmark.js.

import type Benchmark from 'benchmark'
import { type Spread, spread } from '../decode/timing.ts'
import type { Backend, OpName } from '../engine/backend.ts'
import { randomFor } from '../engine/conformance/random.ts'
import { type Prepared, type Subject, timeCalls, timedSubjects, weightBytes } from '../engine/conformance/subjects.ts'

export { mostTimedRows } from '../engine/conformance/subjects.ts'

import { inWorkspace } from '../engine/conformance/workspace.ts'
import type { WeightDType } from '../engine/dtype.ts'
import { AbortError, BackendUnavailableError } from '../engine/errors.ts'

/** The ops that can be measured. */
export const benchedOps: readonly OpName[] = [...new Set(timedSubjects(['f32']).map(({ op }) => op))]

export interface OpBenchOptions {
  /** Default: all. */
  readonly ops?: readonly string[]
  readonly dtypes: readonly WeightDType[]
  /** Each {@link mostTimedRows} at most. */
  readonly rows: readonly number[]
  /** Seconds for each figure. Default 0.5. */
  readonly seconds?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

/** One op, type, shape and number of rows. */
export interface OpBench {
  readonly op: OpName
  readonly dtype: WeightDType | undefined
  readonly shape: string
  readonly rows: number
  readonly microseconds: Spread
  /** Of weights read; only of `linear`. */
  readonly gigabytesPerSecond: number | undefined
}

/** Measures ops. Throws {@link BackendUnavailableError} where benchmark.js is not installed, {@link AbortError}. */
export async function benchOps(backend: Backend, options: OpBenchOptions): Promise<OpBench[]> {
  const { ops, dtypes, rows: sizes, seconds = 0.5, signal, onProgress } = options
  const library = await loadBenchmark()
  const subjects = timedSubjects(dtypes).filter(({ op }) => !ops || ops.includes(op))
  const results: OpBench[] = []
  for (const subject of subjects) {
    if (subject.weight) await backend.prepare?.([subject.weight])
    for (const rows of sizes) {
      const microseconds = await inWorkspace(backend, (space) => {
        const prepared = subject.prepare(space, randomFor(1, subject.op), rows)
        return measure(library, backend, { prepared, seconds, signal })
      })
      results.push(resultOf(subject, rows, microseconds))
      onProgress?.(results.length, subjects.length * sizes.length)
    }
  }
  return results
}

function resultOf(subject: Subject, rows: number, microseconds: Spread): OpBench {
  const { op, dtype, shape } = subject
  const bytes = weightBytes(subject)
  const gigabytesPerSecond = bytes === undefined ? undefined : bytes / microseconds.median / 1000
  return { op, dtype, shape, rows, microseconds, gigabytesPerSecond }
}

/** Microseconds of a call, so many of them to a read that the read hardly counts where one is enough. */
async function measure(
  library: typeof Benchmark,
  backend: Backend,
  { prepared, seconds, signal }: { prepared: Prepared; seconds: number; signal: AbortSignal | undefined },
): Promise<Spread> {
  const sample = (calls: number): Promise<number> => timeCalls(backend, prepared, calls)
  let calls = 1
  while ((await sample(calls)) < 2 && 2 * calls <= (prepared.most ?? 4096)) calls *= 2
  return new Promise((resolve, reject) => {
    const bench = new library({
      defer: true,
      maxTime: seconds,
      fn(deferred: Benchmark.Deferred) {
        if (signal?.aborted) bench.abort()
        sample(calls).then(() => deferred.resolve(), reject)
      },
      onComplete() {
        if (signal?.aborted) reject(new AbortError('the benchmark was aborted', { cause: signal.reason }))
        else resolve(spread(bench.stats.sample.map((time) => (time / calls) * 1e6)))
      },
    })
    bench.run({ async: true })
  })
}

async function loadBenchmark(): Promise<typeof Benchmark> {
  try {
    const { default: library } = await import('benchmark')
    return library
  } catch (cause) {
    throw new BackendUnavailableError('benchmark.js is not installed; run: npm install benchmark', { cause })
  }
}
