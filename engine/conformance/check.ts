// Runs cases on a backend and sums up what was found: errors and invariance by op and weight type, failures in full.

import type { Backend, Capabilities } from '../backend.ts'
import type { WeightDType } from '../dtype.ts'
import { createTurn } from '../turn.ts'
import { type Case, type CaseSubject, type InvarianceScope, type Outcome, runCase } from './case.ts'
import { caseSubjects, defaultSeed, type OpCaseOptions, opCases } from './cases.ts'

export interface CheckOptions extends OpCaseOptions {
  /** Cases to run instead of {@link opCases}; `ops` still filters them. */
  readonly cases?: readonly Case[] | undefined
  /** Called after each case. */
  readonly onOutcome?: ((event: OutcomeEvent) => void) | undefined
  /** Ends the run before the next case; the report then holds what was run. */
  readonly signal?: AbortSignal | undefined
}

export interface OutcomeEvent {
  readonly case: Case
  readonly outcome: Outcome
  /** Cases run so far, this one included, and in all. */
  readonly done: number
  readonly total: number
}

/** A case that failed, or was skipped, or found the backend not invariant. */
export interface Finding {
  readonly op: CaseSubject
  readonly kind: Case['kind']
  readonly name: string
  readonly dtype?: WeightDType | undefined
  /** For a failure: what was expected, what came, where. */
  readonly message: string
}

/** What was found of one op with one weight type (or none). */
export interface OpReport {
  readonly op: CaseSubject
  readonly dtype?: WeightDType | undefined
  /** Cases run; skipped ones are not. */
  readonly cases: number
  readonly failed: number
  readonly skipped: number
  /** The worst normalised squared error, and the limit, where any was measured. */
  readonly error?: number | undefined
  readonly limit?: number | undefined
  /** What the invariance cases found, in the words of `Capabilities`; absent where none ran. */
  readonly rowInvariant?: Capabilities['rowInvariant'] | undefined
}

export interface Report {
  readonly backend: string
  readonly device: string
  readonly kind: Capabilities['kind']
  /** What the backend promises. */
  readonly rowInvariant: Capabilities['rowInvariant']
  /** What opening found of it, in words. */
  readonly invariance?: string | undefined
  readonly seed: number
  readonly counts: Readonly<Record<Outcome['status'], number>>
  /** In the order of `caseSubjects`. */
  readonly ops: readonly OpReport[]
  readonly failures: readonly Finding[]
  /** Not invariant, and not promised to be. */
  readonly found: readonly Finding[]
  readonly skipped: readonly Finding[]
  /** The signal ended the run early. */
  readonly aborted: boolean
}

/**
 * Runs the cases one after the other; none stops the run, whatever it does. `backend` is what `openBackend` gives: the
 * error cases are about its checks too. Other work gets its turn between cases.
 */
export async function checkBackend(backend: Backend, options: CheckOptions = {}): Promise<Report> {
  const { ops, cases = opCases(options), seed = defaultSeed, onOutcome, signal } = options
  const wanted = ops ? cases.filter((item) => ops.includes(item.op)) : cases
  const turn = createTurn()
  const results: { case: Case; outcome: Outcome }[] = []
  for (const item of wanted) {
    await turn()
    if (signal?.aborted) break
    const outcome = await runCase(item, backend)
    results.push({ case: item, outcome })
    onOutcome?.({ case: item, outcome, done: results.length, total: wanted.length })
  }
  const counts = { ok: 0, found: 0, skipped: 0, failed: 0 }
  for (const { outcome } of results) counts[outcome.status]++
  const { device, kind, rowInvariant, invariance } = backend.capabilities
  return {
    backend: backend.name,
    device,
    kind,
    rowInvariant,
    ...(invariance !== undefined && { invariance }),
    seed,
    counts,
    ops: opReports(results),
    failures: findings(results, 'failed'),
    found: findings(results, 'found'),
    skipped: findings(results, 'skipped'),
    aborted: results.length < wanted.length,
  }
}

type Results = readonly { readonly case: Case; readonly outcome: Outcome }[]

function findings(results: Results, status: Outcome['status']): Finding[] {
  return results.flatMap(({ case: { op, kind, name, dtype }, outcome }) =>
    outcome.status === status && 'message' in outcome ? [{ op, kind, name, dtype, message: outcome.message }] : [],
  )
}

function opReports(results: Results): OpReport[] {
  const groups = new Map<string, { case: Case; outcome: Outcome }[]>()
  for (const result of results) {
    const key = `${result.case.op} ${weightType(result.case)}`
    groups.set(key, [...(groups.get(key) ?? []), result])
  }
  const order = [...caseSubjects, 'model']
  return [...groups.values()].map(opReport).sort((a, b) => order.indexOf(a.op) - order.indexOf(b.op))
}

/** The weight type that a case is about; some only need one to be there. */
function weightType({ op, kind, dtype }: Case): WeightDType | undefined {
  return kind === 'errors' || op === 'memory' ? undefined : dtype
}

function opReport(results: Results): OpReport {
  const { op } = results[0]!.case
  const count = (status: Outcome['status']) => results.filter(({ outcome }) => outcome.status === status).length
  const measured = results.flatMap(({ outcome }) =>
    'error' in outcome && outcome.error !== undefined ? [{ error: outcome.error, limit: outcome.limit ?? 0 }] : [],
  )
  const worst = measured.length > 0 ? measured.reduce((a, b) => (b.error > a.error ? b : a)) : undefined
  return {
    op,
    dtype: weightType(results[0]!.case),
    cases: results.length - count('skipped'),
    failed: count('failed'),
    skipped: count('skipped'),
    error: worst?.error,
    limit: worst?.limit,
    rowInvariant: foundInvariance(results),
  }
}

function foundInvariance(results: Results): Capabilities['rowInvariant'] | undefined {
  const ran = results.filter(({ case: { kind }, outcome }) => kind === 'invariance' && outcome.status !== 'skipped')
  const held = (scopes: readonly InvarianceScope[]) =>
    ran.every(({ case: { scope }, outcome }) => outcome.status === 'ok' || !scopes.includes(scope ?? 'passes'))
  if (ran.length === 0) return undefined
  if (held(['passes', 'width', 'repeat'])) return true
  return held(['width', 'repeat']) && ran.some(({ case: { scope } }) => scope === 'width') ? 'fixed-width' : false
}
