// What one search of a strategy has asked: its points are charged to its budget, evaluated where nobody has yet, and journalled.

import { ArgumentError, NumericError } from '../engine/errors.ts'
import type { Budget, JournalRecord, PointRecord } from './journal.ts'
import { better, evaluationOf, type Found, type Memory, type Remembered } from './memory.ts'
import type { Evaluation, Objective } from './objective.ts'
import { keyOf, type Point } from './space.ts'

/** Where records go, and what is there: a journal's file, or nothing. */
export interface SearchLog {
  readonly records: readonly JournalRecord[]
  append(record: JournalRecord): Promise<void>
}

/** A search was charged for an evaluation. */
export interface SearchEvent {
  readonly record: PointRecord
  /** The best of this strategy's search, and of all of this run. */
  readonly best: Found
  readonly bestOfAll: Found
  readonly budget: Budget
  /** Of the budget. */
  readonly used: { readonly evaluations: number; readonly seconds: number }
}

export interface LedgerOptions {
  readonly objective: Objective
  readonly memory: Memory
  readonly log: SearchLog
  readonly strategy: string
  readonly seed: number
  readonly budget: Budget
  /** Evaluations at a time. */
  readonly width: number
  readonly signal: AbortSignal | undefined
  /** Milliseconds. */
  readonly clock: () => number
  readonly onPoint: (record: PointRecord, used: SearchEvent['used']) => void
}

export interface Ledger {
  /** Charges what is new, as far as the budget goes; gives what is known of those points that were charged before the first that was not. */
  ask(points: readonly Point[]): Promise<readonly Remembered[]>
  /** Whether nothing more can be charged. */
  spent(): boolean
  /** Points that were asked since it was created, each once. */
  asked(): number
  /** All points of the search, in the order in which it was charged for them. */
  found(): readonly Found[]
  best(): Found | undefined
}

/** The ledger of a search, which the journal may have begun. */
export function createLedger(options: LedgerOptions): Ledger {
  const { objective, memory, log, strategy, seed, budget, width, signal, clock, onPoint } = options
  const charged = new Map<string, Remembered>()
  for (const record of log.records) {
    if (record.kind !== 'point' || record.strategy !== strategy || record.seed !== seed) continue
    charged.set(record.key, memory.get(record.key)!)
  }
  const now = new Set<string>()
  let best: Found | undefined
  for (const found of charged.values()) best = better(best, found)
  // A point of another search costs here what it cost there: budgets of seconds are equal, too.
  let used = [...charged.values()].reduce((sum, { ms }) => sum + ms, 0)
  let rested = clock()

  const allows = (pending: number): boolean =>
    charged.size + pending < (budget.evaluations ?? Number.POSITIVE_INFINITY) &&
    used < 1000 * (budget.seconds ?? Number.POSITIVE_INFINITY)

  async function evaluate(point: Point, key: string): Promise<Evaluation> {
    const known = memory.get(key)
    if (known) return known
    const [evaluation] = await objective.evaluate([point], signal)
    return expectEvaluation(evaluation, key)
  }

  async function charge(points: readonly (readonly [key: string, point: Point])[]): Promise<void> {
    const begun: Promise<Evaluation>[] = []
    let last = clock()
    for (let done = 0; ; done++) {
      while (begun.length < points.length && begun.length - done < width && allows(begun.length - done)) {
        const [key, point] = points[begun.length]!
        const evaluation = evaluate(point, key)
        evaluation.catch(() => {}) // of several that fail the first is told
        begun.push(evaluation)
      }
      if (done === begun.length) return
      const [key, point] = points[done]!
      const evaluation = evaluationOf(await begun[done]!)
      const before = memory.get(key)
      const ms = before ? 0 : clock() - last
      last = clock()
      const record: PointRecord = { kind: 'point', strategy, seed, n: charged.size, key, ...evaluation, ms }
      await log.append(record)
      const remembered = before ?? { key, point, ...evaluation, ms }
      if (!before) memory.add(remembered)
      charged.set(key, remembered)
      best = better(best, remembered)
      used += remembered.ms
      onPoint(record, { evaluations: charged.size, seconds: used / 1000 })
    }
  }

  return {
    async ask(points) {
      used += clock() - rested
      const keys = points.map((point) => {
        if (point.length === objective.sublayers) return keyOf(point)
        throw new ArgumentError(
          `${strategy} asked for a point of ${point.length} sublayers; expected ${objective.sublayers}`,
        )
      })
      const fresh = new Map(keys.map((key, i) => [key, points[i]!] as const).filter(([key]) => !charged.has(key)))
      await charge([...fresh])
      rested = clock()
      const answered: Remembered[] = []
      for (const key of keys) {
        const remembered = charged.get(key)
        if (!remembered) break
        now.add(key)
        answered.push(remembered)
      }
      return answered
    },
    spent: () => !allows(0),
    asked: () => now.size,
    found: () => [...charged.values()],
    best: () => best,
  }
}

/** A journal, and what strategies are told, are of numbers. */
function expectEvaluation(evaluation: Evaluation | undefined, key: string): Evaluation {
  if (evaluation && Number.isFinite(evaluation.speedup) && evaluation.speedup > 0) return evaluation
  throw new NumericError(`the speed-up of ${key} is ${String(evaluation?.speedup)}; expected a number above 0`)
}
