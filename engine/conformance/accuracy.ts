// Makes accuracy cases: records ops, reads what they wrote in one go, and compares it with the oracle.

import type { OpName, Tensor } from '../backend.ts'
import type { WeightDType } from '../dtype.ts'
import { type Case, type CaseSettings, errorLimit, type Outcome } from './case.ts'
import { compare } from './compare.ts'
import { type Random, randomFor } from './random.ts'
import { inWorkspace, type Workspace } from './workspace.ts'

/** One tensor that a case wrote, and what it should hold. */
export interface Check {
  readonly what: string
  readonly actual: Tensor
  readonly expected: ArrayLike<number>
  /** 0: equal in value. Default: the limit of the op and weight type. */
  readonly limit?: number
  readonly group?: number
  readonly equalColumns?: readonly number[]
  readonly ignoredColumns?: readonly number[]
}

export interface CaseSpec {
  readonly op: OpName
  readonly name: string
  readonly dtype?: WeightDType | undefined
}

export function accuracyCase(
  settings: CaseSettings,
  spec: CaseSpec,
  record: (space: Workspace, random: Random) => readonly Check[],
): Case {
  const { op, name, dtype } = spec
  const limit = errorLimit(settings, op, dtype)
  return {
    op,
    kind: 'accuracy',
    name,
    dtype,
    run: (backend) =>
      inWorkspace(backend, async (space): Promise<Outcome> => {
        const checks = record(space, randomFor(settings.seed, `${op} ${dtype} ${name}`))
        const read = await backend.read(checks.map((check) => check.actual))
        let error = 0
        let highest = 0
        const messages: string[] = []
        for (const [i, check] of checks.entries()) {
          const { what, actual, expected, group, equalColumns, ignoredColumns } = check
          const own = check.limit ?? limit
          highest = Math.max(highest, own)
          const comparison = compare(read[i] ?? new Float32Array(0), expected, {
            what,
            shape: actual.shape,
            limit: own,
            group,
            equalColumns,
            ignoredColumns,
          })
          error = Math.max(error, comparison.error)
          if (comparison.message) messages.push(comparison.message)
        }
        return messages.length === 0
          ? { status: 'ok', error, limit: highest }
          : { status: 'failed', message: messages.join('\n'), error, limit: highest }
      }),
  }
}
