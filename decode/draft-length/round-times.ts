// What rounds take: plain ones in milliseconds, those that draft over a plain one of as many sequences.

import type { DraftCosts } from '../../model/draft-costs.ts'
import type { RoundReport } from './draft-length.ts'
import { type RecentMedian, recentMedian, sideOf } from './recent-median.ts'
import { type GrowingCurve, type RoundCurve, roundCurve } from './round-curve.ts'

/** Rounds that differ in their length only. */
export interface RoundsOf {
  /** Whose tokens are verified. */
  readonly draft: string
  readonly runs: boolean
  readonly lanes: number
}

export interface RoundTimes {
  /** A plain round of `lanes` sequences in milliseconds: the median of recent ones; undefined until measured. */
  plainMs(lanes: number): number | undefined
  /** Whether the next round should be a plain one, because what plain rounds take is not known, or no longer. */
  needsPlain(lanes: number): boolean
  of(rounds: RoundsOf): RoundCurve
  /**
   * What a round is believed to have taken where a plain one takes `plainMs`, and what such rounds take over a plain one. More
   * than twice that is put down as that; and before many were measured none is taken to be longer than its passes one by one
   * would be: the rest is warming up.
   */
  believed(round: RoundReport, plainMs: number): { readonly ms: number; readonly typical: number }
  /** To be called after each round. */
  record(round: RoundReport): void
  /**
   * To be called after a plain round: ends the stretch of drafting rounds before it, and says what a plain one took during it,
   * the mean of both sides. Undefined until plain rounds agree, and the stretch goes on.
   */
  endStretch(lanes: number): number | undefined
}

interface PlainTimes {
  /** Rounds seen, that which does not count among them. */
  seen: number
  readonly recent: RecentMedian
  /** Milliseconds, as they were known when drafting began after the last plain round but those of now. */
  before: number
  /** Rounds since the last plain one, and after how many there is to be another. */
  age: number
  every: number
  /** Whether the last one agreed with the median. */
  agreed: boolean
  inARow: number
  /** Drafting rounds in a row that were slower (above 0) or faster (below) than they used to be. */
  drift: number
}

/** Plain rounds that the time of one is the median of. */
const windowSize = 16
/** Plain rounds wanted at the start, after one that does not count. */
const plainRounds = 2
/** Drafting rounds between plain ones: each time that a plain round takes what it took before twice as many, else half. */
const plainEvery = { first: 8, least: 8, most: 64 } as const
/** Rounds after which it is known what those of a draft take. */
const manyRounds = 8
/** Drafting rounds in a row that took other than they used to, after which a plain round is measured. */
const driftRounds = 4
/** Plain rounds in a row at most, because one did not agree with those before. */
const plainInARow = 5

/**
 * Times of recent rounds by their number of sequences, draft and drafted length. The first round of a kind never counts: it
 * warms something up. Those that draft are kept over the plain round of their time, so that a machine which slows down, or a
 * context that grows, leaves them right.
 */
export function roundTimes(prior: DraftCosts | undefined): RoundTimes {
  const plain = new Map<number, PlainTimes>()
  const curves = new Map<number, Map<string, GrowingCurve>>()

  function plainOf(lanes: number): PlainTimes {
    const known = plain.get(lanes)
    if (known) return known
    const recent = recentMedian({ size: windowSize })
    const every = plainEvery.first
    return keep(plain, lanes, { seen: 0, recent, before: Number.NaN, age: 0, every, agreed: true, inARow: 0, drift: 0 })
  }

  function curveOf({ draft, runs, lanes }: RoundsOf): GrowingCurve {
    const drafts = curves.get(lanes) ?? keep(curves, lanes, new Map<string, GrowingCurve>())
    return drafts.get(draft) ?? keep(drafts, draft, roundCurve({ runs, lanes, prior }))
  }

  function recordPlain(times: PlainTimes, ms: number): void {
    const { recent } = times
    if (times.age > 0) times.before = recent.median
    times.age = 0
    times.drift = 0
    times.inARow++
    if (times.seen++ === 0) return
    recent.add(ms)
    times.agreed = sideOf(ms, recent.median) === 0
  }

  function recordDrafting(times: PlainTimes, { ms }: RoundReport, timed: TimedRound): void {
    if (times.recent.count === 0) return
    const side = curveOf(timed).add(timed.length, ms / times.recent.median)
    times.drift = side !== 0 && Math.sign(times.drift) === side ? times.drift + side : side
  }

  function needsPlain(lanes: number): boolean {
    const { recent, age, every, agreed, inARow, drift } = plainOf(lanes)
    if (recent.count < plainRounds || age >= every || Math.abs(drift) >= driftRounds) return true
    return !agreed && inARow < plainInARow
  }

  return {
    plainMs(lanes) {
      const { recent } = plainOf(lanes)
      return recent.count > 0 ? recent.median : undefined
    },
    needsPlain,
    of: curveOf,
    believed(round, plainMs) {
      const timed = timedRound(round)
      if (timed === 'plain') return { ms: round.ms, typical: 1 }
      const onePass = (round.draftPasses + round.rows / round.lanes.length) * plainMs
      if (timed === 'mixed') {
        const ms = Math.min(round.ms, onePass)
        return { ms, typical: ms / plainMs }
      }
      const curve = curveOf(timed)
      const typical = curve.ratio(timed.length)
      if (curve.measured < manyRounds) return { ms: Math.min(round.ms, onePass), typical }
      return { ms: round.ms > 2 * typical * plainMs ? typical * plainMs : round.ms, typical }
    },
    record(round) {
      const times = plainOf(round.lanes.length)
      const timed = timedRound(round)
      if (timed === 'plain') return recordPlain(times, round.ms)
      times.age++
      times.inARow = 0
      if (timed !== 'mixed') recordDrafting(times, round, timed)
    },
    endStretch(lanes) {
      const times = plainOf(lanes)
      const { recent, before } = times
      if (recent.count === 0 || needsPlain(lanes)) return undefined
      if (Number.isNaN(before)) return recent.median
      const isAsBefore = sideOf(recent.median, before) === 0
      times.every = isAsBefore
        ? Math.min(plainEvery.most, 2 * times.every)
        : Math.max(plainEvery.least, times.every / 2)
      times.before = Number.NaN
      return (before + recent.median) / 2
    },
  }
}

export interface TimedRound extends RoundsOf {
  readonly length: number
}

/** What a report times: a plain round, rounds of one draft at their mean length, or of several, which say little of each. */
export function timedRound({ lanes, draftPasses }: RoundReport): TimedRound | 'plain' | 'mixed' {
  const drafts = new Set(lanes.flatMap(({ draft, drafted }) => (draft !== undefined && drafted > 0 ? [draft] : [])))
  const [draft] = drafts
  if (draft === undefined) return 'plain'
  if (drafts.size > 1) return 'mixed'
  const drafted = lanes.reduce((sum, lane) => sum + lane.drafted, 0)
  const length = Math.max(1, Math.round(drafted / lanes.length))
  return { draft, runs: draftPasses > 0, length, lanes: lanes.length }
}

function keep<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): Value {
  map.set(key, value)
  return value
}
