// All cases of the ops and of memory.

import type { OpName } from '../backend.ts'
import { opNames } from '../members.ts'
import { attentionCases } from './attention.ts'
import type { Case, CaseSettings, CaseSubject, Limits } from './case.ts'
import { copyKVCases, copyRowsCases } from './copy.ts'
import { embedCases } from './embed.ts'
import { lifetimeCases, type OpenAnother } from './lifetime.ts'
import { linearCases } from './linear.ts'
import { memoryCases } from './memory.ts'
import { rmsNormCases } from './rms-norm.ts'
import { ropeCases } from './rope.ts'
import { selectCases } from './select.ts'
import { storeKVCases } from './store-kv.ts'
import { swigluCases } from './swiglu.ts'
import { opErrorCases } from './wrong-calls.ts'

const makers: Readonly<Record<OpName, (settings: CaseSettings) => Case[]>> = {
  embed: embedCases,
  rmsNorm: rmsNormCases,
  linear: linearCases,
  rope: ropeCases,
  storeKV: storeKVCases,
  attention: attentionCases,
  swiglu: swigluCases,
  copyRows: copyRowsCases,
  copyKV: copyKVCases,
  select: selectCases,
}

/** What {@link opCases} has cases of, in the order of a pass. */
export const caseSubjects: readonly CaseSubject[] = [...opNames, 'memory']

export interface OpCaseOptions {
  /** Only cases of these; default: all. */
  readonly ops?: readonly CaseSubject[] | undefined
  /** Where all inputs come from. Default {@link defaultSeed}. */
  readonly seed?: number | undefined
  /** Error limits, where a backend's device computes less exactly. */
  readonly limits?: Limits | undefined
  /** Opens another backend like the one under test. Without it, cases that dispose of one are left out. */
  readonly open?: OpenAnother | undefined
}

export const defaultSeed = 20260101

/** The cases of the ops and of memory, op by op: accuracy, invariance, errors. Making them costs next to nothing. */
export function opCases(options: OpCaseOptions = {}): Case[] {
  const { ops = caseSubjects, seed = defaultSeed, limits = {}, open } = options
  const settings = { seed, limits }
  const all = [
    ...Object.values(makers).flatMap((make) => make(settings)),
    ...opErrorCases(),
    ...memoryCases(settings),
    ...lifetimeCases(open),
  ]
  return caseSubjects.filter((op) => ops.includes(op)).flatMap((op) => all.filter((item) => item.op === op))
}
