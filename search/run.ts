// Runs strategies, each under the same budget: a point is evaluated once, journalled, and known to all from then on.

import { seeded } from '../decode/seeded.ts'
import { AbortError, ArgumentError } from '../engine/errors.ts'
import { createTurn } from '../engine/turn.ts'
import type { BeginRecord, Budget, EndReason, EndRecord, PointRecord } from './journal.ts'
import { createLedger, type Ledger, type SearchEvent, type SearchLog } from './ledger.ts'
import { better, createMemory, type Found, type Remembered, toldOf } from './memory.ts'
import type { Objective } from './objective.ts'
import { initialPoints } from './strategies/index.ts'
import type { Strategy } from './strategies/strategy.ts'

export interface SearchOptions {
  /** One after the other, each with the whole budget. */
  readonly strategies: readonly Strategy[]
  /** A whole number from 0: the same gives the same search. */
  readonly seed: number
  /** Of each strategy. Seconds are those of evaluating and choosing, on whatever run of a search that goes on. */
  readonly budget: Budget
  /** A journal. What it has of these searches is gone on with, and its other points are not evaluated again either. */
  readonly log?: SearchLog | undefined
  /** Evaluations at a time, where the objective takes several. Default 1. */
  readonly width?: number | undefined
  /** Ends the search: what was found so far is the outcome. */
  readonly signal?: AbortSignal | undefined
  readonly onEvaluation?: ((event: SearchEvent) => void) | undefined
  /** Milliseconds; default the machine's clock. */
  readonly clock?: (() => number) | undefined
}

/** What a strategy found. */
export interface StrategyOutcome {
  readonly strategy: string
  readonly reason: EndReason
  /** All that it was charged for, in this order. */
  readonly found: readonly Found[]
  /** The first of the largest speed-up; undefined where it was interrupted before the first evaluation. */
  readonly best: Found | undefined
}

export interface SearchOutcome {
  readonly interrupted: boolean
  /** Of the strategies that were begun. */
  readonly searches: readonly StrategyOutcome[]
  /** All points of these searches, each once, the best first. */
  readonly found: readonly Found[]
}

/**
 * Runs strategies over an objective. A search that goes on is run again from its seed, and the journal answers for what it
 * holds: it goes the way that it would have gone undisturbed. A strategy ends with its budget, by returning, or by asking for
 * nothing new a thousand times in a row. Throws {@link ArgumentError} for a budget of nothing and a seed that is none.
 */
export async function runSearch(objective: Objective, options: SearchOptions): Promise<SearchOutcome> {
  const {
    strategies,
    seed,
    budget,
    log = noLog,
    width = 1,
    signal,
    onEvaluation,
    clock = () => performance.now(),
  } = options
  expectBudget(budget)
  for (const [name, value, least] of [
    ['seed', seed, 0],
    ['width', width, 1],
  ] as const) {
    if (Number.isSafeInteger(value) && value >= least) continue
    throw new ArgumentError(`${name} is ${value}, expected a whole number from ${least}`)
  }
  const memory = createMemory(
    log.records.filter((record): record is PointRecord => record.kind === 'point'),
    objective.sublayers,
  )
  const searches: StrategyOutcome[] = []
  let bestOfAll: Found | undefined
  for (const strategy of strategies) {
    const ledger: Ledger = createLedger({
      objective,
      memory,
      log,
      strategy: strategy.name,
      seed,
      budget,
      width,
      signal,
      clock,
      onPoint(record, used) {
        bestOfAll = better(bestOfAll, memory.get(record.key)!)
        onEvaluation?.({ record, best: ledger.best()!, bestOfAll, budget, used })
      },
    })
    const reason = await search(strategy, { objective, ledger, log, seed, budget, signal })
    const best = ledger.best()
    if (best) bestOfAll = better(bestOfAll, best)
    searches.push({ strategy: strategy.name, reason, found: ledger.found(), best })
    if (reason === 'interrupted') break
  }
  const interrupted = searches.at(-1)?.reason === 'interrupted'
  return { interrupted, searches, found: ranked(searches) }
}

interface Running {
  readonly objective: Objective
  readonly ledger: Ledger
  readonly log: SearchLog
  readonly seed: number
  readonly budget: Budget
  readonly signal: AbortSignal | undefined
}

/** Runs a strategy's search unless the journal has its end, and journals its beginning and its end. */
async function search(strategy: Strategy, running: Running): Promise<EndReason> {
  const { ledger, log, seed, budget, signal } = running
  const of = { strategy: strategy.name, seed }
  const ended = endOf(log, { kind: 'begin', ...of, budget })
  if (ended) return ended
  await log.append({ kind: 'begin', ...of, budget })
  let reason: EndReason
  try {
    reason = await follow(strategy, running)
  } catch (error) {
    if (!(error instanceof AbortError && signal?.aborted)) throw error
    reason = 'interrupted'
  }
  const best = ledger.best()
  if (best) await log.append({ kind: 'end', ...of, best: best.key, reason })
  return reason
}

/** Why the search of a journal has ended, where it did, with this budget. */
function endOf(log: SearchLog, { strategy, seed, budget }: BeginRecord): EndReason | undefined {
  const records = log.records.filter(
    (record): record is BeginRecord | EndRecord =>
      (record.kind === 'begin' || record.kind === 'end') && record.strategy === strategy && record.seed === seed,
  )
  const [begin, end] = records.slice(-2)
  if (begin?.kind !== 'begin' || end?.kind !== 'end' || end.reason === 'interrupted') return undefined
  const { evaluations, seconds } = begin.budget
  return evaluations === budget.evaluations && seconds === budget.seconds ? end.reason : undefined
}

/** How often in a row a strategy may ask for nothing that it has not asked before. */
const mostIdle = 1000

/** Evaluations that a budget of seconds is taken for until it is known how long one takes. */
const unknownBudget = 60

async function follow(strategy: Strategy, { objective, ledger, seed, budget, signal }: Running): Promise<EndReason> {
  const { sublayers, costs, inside } = objective
  const turn = createTurn(signal)
  await turn()
  const known = await ledger.ask(initialPoints(sublayers, budget.evaluations ?? unknownBudget))
  if (ledger.spent()) return 'budget'
  const asking = strategy.start({
    sublayers,
    budget: evaluationsOf(budget, known),
    costs,
    inside,
    random: seeded(seed, 'search', strategy.name),
    known: known.map((found) => ({ point: found.point, value: toldOf(found) })),
    turn,
  })
  try {
    let values: readonly number[] = [] // the first `next` starts the strategy, and is not seen by it
    for (let idle = 0; idle < mostIdle; ) {
      await turn()
      const step = await asking.next(values)
      if (step.done) break
      const before = ledger.asked()
      const found = await ledger.ask(step.value)
      if (ledger.spent()) return 'budget'
      values = found.map(toldOf)
      idle = ledger.asked() > before ? 0 : idle + 1
    }
    return 'exhausted'
  } finally {
    await asking.return()
  }
}

/**
 * Evaluations for a strategy to plan with: of a budget of seconds as many as are left by the slowest of the first ones. Most of
 * those are cheap: of an early exit drafts end soon, and what cannot pay is not replayed at all.
 */
function evaluationsOf({ evaluations = 1e6, seconds }: Budget, first: readonly Remembered[]): number {
  if (seconds === undefined) return evaluations
  const took = first.map(({ ms }) => ms)
  const left = 1000 * seconds - took.reduce((sum, ms) => sum + ms, 0)
  const more = Math.floor(left / Math.max(1e-3, ...took))
  return Math.min(evaluations, first.length + Math.max(1, more))
}

function expectBudget({ evaluations, seconds }: Budget): void {
  if (evaluations === undefined && seconds === undefined) {
    throw new ArgumentError('a search has no budget; give it evaluations, or seconds, or both')
  }
  if (evaluations !== undefined && !(Number.isSafeInteger(evaluations) && evaluations >= 1)) {
    throw new ArgumentError(`the budget is ${evaluations} evaluations, expected a whole number from 1`)
  }
  if (seconds !== undefined && !(Number.isFinite(seconds) && seconds > 0)) {
    throw new ArgumentError(`the budget is ${seconds} seconds, expected a number above 0`)
  }
}

/** Each point once, the best first; of equal ones that which was found first. */
function ranked(searches: readonly StrategyOutcome[]): Found[] {
  const all = new Map(searches.flatMap(({ found }) => found).map((found) => [found.key, found] as const))
  return [...all.values()].sort((a, b) => b.speedup - a.speedup)
}

const noLog: SearchLog = { records: [], append: async () => {} }
