// What a journal of searches says, as figures: by strategy, by skip set, and of the runs that confirmed some.

import { type Spread, spread } from '../../decode/timing.ts'
import type { SkipSet } from '../../model/skip.ts'
import type { ConfirmedRecord, EndRecord, JournalHeader, JournalRecord, PointRecord } from '../../search/journal.ts'
import { pointOf, skipOf } from '../../search/space.ts'
import { timedLast } from '../../search/verdict.ts'

/** A skip set, and what it is expected to bring. */
export interface SetFigures {
  readonly key: string
  readonly skip: SkipSet
  /** Over plain decoding, at the best draft length; 1 where that is 0. */
  readonly speedup: number
  /**
   * The same where drafts are made in any case, and so below 1 where plain decoding is faster; at most so much where there is no
   * `acceptance`, undefined where it is not known.
   */
  readonly drafted: number | undefined
  readonly draftLength: number
  /** A draft pass over a plain pass. */
  readonly draft: number
  /** The share of places at which the first drafted token is accepted; undefined where no draft was tried. */
  readonly acceptance: number | undefined
}

/** The best so far after so many evaluations, over the seeds; a search that ended keeps its best. */
export interface SoFar extends Spread {
  readonly evaluation: number
}

export interface StrategyFigures {
  readonly strategy: string
  readonly seeds: readonly number[]
  /** Of a search. */
  readonly evaluations: Spread
  /** The best of all seeds. */
  readonly best: SetFigures
  /** Of the best of each seed. */
  readonly speedup: Spread
  /** Evaluations after which a search had {@link nearShare} of the best speed-up that it found, or more. */
  readonly toReach: Spread
  readonly soFar: readonly SoFar[]
  /** Spent on evaluations, by all seeds. */
  readonly seconds: number
  /** Searches by how they ended; those without an end are `unfinished`. */
  readonly ended: Readonly<Record<string, number>>
}

export interface ConfirmedFigures extends Omit<ConfirmedRecord, 'kind'> {
  readonly skip: SkipSet
  /** Measured over predicted, minus 1. */
  readonly difference: number
}

/** How often each sublayer is skipped in the best tenth of all sets that are faster than plain decoding. */
export interface BestTenth {
  readonly sets: number
  /** `[sublayers]`, 0 to 1. */
  readonly shares: readonly number[]
}

export interface SearchFigures {
  readonly header: JournalHeader
  /** Lines of the journal that are evaluations; sets may be among them several times. */
  readonly evaluations: number
  /** Each once, the fastest first. */
  readonly sets: readonly SetFigures[]
  /** In the order in which they first stand in the journal. */
  readonly strategies: readonly StrategyFigures[]
  /** Sets of which none is both cheaper and better accepted, the cheapest first. */
  readonly front: readonly SetFigures[]
  readonly bestTenth: BestTenth
  readonly confirmed: readonly ConfirmedFigures[]
}

/** What of the best speed-up counts as having reached it. */
export const nearShare = 0.99

/** The figures of a journal that has a header. */
export function searchFigures(header: JournalHeader, records: readonly JournalRecord[]): SearchFigures {
  const points = records.filter((record) => record.kind === 'point')
  const ends = records.filter((record) => record.kind === 'end')
  const confirmed = timedLast(records.filter((record) => record.kind === 'confirmed'))
  const skip = (key: string): SkipSet => skipOf(pointOf(key, header.sublayers))
  const byKey = new Map<string, SetFigures>()
  for (const { key, speedup, drafted, draftLength, draft, survival } of points) {
    if (byKey.has(key)) continue
    byKey.set(key, { key, skip: skip(key), speedup, drafted, draftLength, draft, acceptance: survival[0] })
  }
  const sets = [...byKey.values()].sort(slower)
  return {
    header,
    evaluations: points.length,
    sets,
    strategies: [...grouped(points, ({ strategy }) => strategy)].map(([strategy, own]) =>
      strategyFigures(strategy, own, {
        setOf: (key) => byKey.get(key)!,
        ends: ends.filter((end) => end.strategy === strategy),
      }),
    ),
    front: paretoFront(sets),
    bestTenth: bestTenth(sets, header.sublayers),
    confirmed: confirmed.map(({ kind: _, ...run }) => ({
      ...run,
      skip: skip(run.key),
      difference: run.speedup.median / run.predicted - 1,
    })),
  }
}

/** Above 0 where `a` is the slower: where plain decoding is as fast for both, the one that loses more by drafting. */
function slower(a: Worth, b: Worth): number {
  return b.speedup - a.speedup || whenDrafting(b) - whenDrafting(a)
}

type Worth = Pick<PointRecord, 'key' | 'speedup'> & { readonly drafted?: number | undefined }

/** To draft with the whole model loses next to nothing, but is no answer to which sublayers to skip. */
function whenDrafting({ key, drafted = -1 }: Worth): number {
  return key.includes('1') ? drafted : -1
}

function grouped<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}

interface StrategyContext {
  readonly setOf: (key: string) => SetFigures
  readonly ends: readonly EndRecord[]
}

function strategyFigures(
  strategy: string,
  points: readonly PointRecord[],
  { setOf, ends }: StrategyContext,
): StrategyFigures {
  const searches = [...grouped(points, ({ seed }) => seed)].sort(([a], [b]) => a - b)
  const curves = searches.map(([, own]) => bestSoFar(own.toSorted((a, b) => a.n - b.n).map(({ speedup }) => speedup)))
  const longest = Math.max(...curves.map((curve) => curve.length))
  const reasons = searches.map(([seed]) => ends.findLast((end) => end.seed === seed)?.reason ?? 'unfinished')
  return {
    strategy,
    seeds: searches.map(([seed]) => seed),
    evaluations: spread(curves.map((curve) => curve.length)),
    best: setOf(points.reduce((best, point) => (slower(best, point) > 0 ? point : best)).key),
    speedup: spread(curves.map((curve) => curve.at(-1)!)),
    toReach: spread(curves.map((curve) => curve.findIndex((value) => value >= nearShare * curve.at(-1)!) + 1)),
    soFar: Array.from({ length: longest }, (_, i) => ({
      evaluation: i + 1,
      ...spread(curves.map((curve) => curve[Math.min(i, curve.length - 1)]!)),
    })),
    seconds: points.reduce((sum, { ms }) => sum + ms, 0) / 1000,
    ended: Object.fromEntries([...grouped(reasons, (reason) => reason)].map(([reason, all]) => [reason, all.length])),
  }
}

function bestSoFar(values: readonly number[]): number[] {
  let best = Number.NEGATIVE_INFINITY
  return values.map((value) => {
    best = Math.max(best, value)
    return best
  })
}

function paretoFront(sets: readonly SetFigures[]): SetFigures[] {
  let most = Number.NEGATIVE_INFINITY
  return sets
    .filter(({ acceptance }) => acceptance !== undefined)
    .sort((a, b) => a.draft - b.draft || b.acceptance! - a.acceptance!)
    .filter(({ acceptance }) => {
      if (acceptance! <= most) return false
      most = acceptance!
      return true
    })
}

/** Sets that are as fast as the last of them belong to it. */
function bestTenth(sets: readonly SetFigures[], sublayers: number): BestTenth {
  const faster = sets.filter(({ speedup }) => speedup > 1)
  const last = faster[Math.ceil(faster.length / 10) - 1]
  const best = last ? faster.filter(({ speedup }) => speedup >= last.speedup) : []
  const shares = Array.from(
    { length: sublayers },
    (_, i) => best.filter(({ key }) => key[i] === '1').length / Math.max(1, best.length),
  )
  return { sets: best.length, shares }
}

/** Whether the best sets of the strategies, none of which is faster than plain decoding, are those that lose least. */
export function knowsLosses({ strategies }: SearchFigures): boolean {
  return strategies.every(({ best }) => best.drafted !== undefined)
}

/** The fastest set, where one is faster than plain decoding. */
export function fastest({ sets }: SearchFigures): SetFigures | undefined {
  return sets.find(({ speedup, draftLength }) => speedup > 1 && draftLength > 0)
}
