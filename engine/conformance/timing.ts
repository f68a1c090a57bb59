// A short measurement of each op's speed, to stand beside its error. For real figures see bench/.

import type { Backend, OpName } from '../backend.ts'
import type { WeightDType } from '../dtype.ts'
import { AbortError } from '../errors.ts'
import { randomFor } from './random.ts'
import { type Subject, timeCalls, timedSubjects, weightBytes } from './subjects.ts'
import { inWorkspace } from './workspace.ts'

export interface OpTime {
  readonly op: OpName
  readonly dtype?: WeightDType | undefined
  readonly shape: string
  /** Microseconds for 1 row and for 8, the median of a few repetitions. */
  readonly oneRow: number
  readonly eightRows: number
  /** For the rows of `Capabilities.oneWidth`, where that is not in force; only of `linear`. */
  readonly atWidth?: number | undefined
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

/** Times each op on a typical shape. An op that throws is left out. Throws {@link AbortError}. */
export async function timeOps(backend: Backend, options: TimeOptions = {}): Promise<OpTime[]> {
  const { oneWidth } = backend.capabilities
  const { ops, dtypes = backend.capabilities.dtypes, signal } = options
  const times: OpTime[] = []
  for (const subject of timedSubjects(dtypes)) {
    if (!subject.typical || (ops && !ops.includes(subject.op))) continue
    const { op, dtype, shape } = subject
    const bytes = weightBytes(subject)
    try {
      const oneRow = await time(backend, subject, 1, signal)
      const eightRows = await time(backend, subject, 8, signal)
      const width = op === 'linear' && oneWidth && !oneWidth.inForce ? oneWidth.rows : undefined
      const atWidth = width === 8 ? eightRows : width && (await time(backend, subject, width, signal))
      const gigabytesPerSecond = bytes === undefined ? undefined : bytes / oneRow / 1000
      times.push({ op, dtype, shape, oneRow, eightRows, atWidth, gigabytesPerSecond })
    } catch (error) {
      if (error instanceof AbortError) throw error
    }
  }
  return times
}

function time(backend: Backend, subject: Subject, rows: number, signal: AbortSignal | undefined): Promise<number> {
  return inWorkspace(backend, async (space) => {
    const prepared = subject.prepare(space, randomFor(1, subject.op), rows)
    const sample = (calls: number): Promise<number> => timeCalls(backend, prepared, calls)
    // So many calls that the read does not count; they warm up what compiles while it runs.
    let calls = 1
    while ((await sample(calls)) < 8 && 2 * calls <= (prepared.most ?? 8192)) calls *= 2
    const samples: number[] = []
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve))
      if (signal?.aborted) throw new AbortError('timing was aborted', { cause: signal.reason })
      samples.push(((await sample(calls)) / calls) * 1000)
    }
    return samples.sort((a, b) => a - b)[2]!
  })
}
