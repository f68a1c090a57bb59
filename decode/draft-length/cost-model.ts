// The draft length that gives most tokens in a time, from what rounds take and how far drafts hold; 0 where that is plain decoding.

import { ArgumentError } from '../../engine/errors.ts'
import { expectOptions } from '../../engine/options.ts'
import { bestLength, type Judgement } from './best-length.ts'
import { bookkeeping } from './bookkeeping.ts'
import type {
  DraftAsk,
  DraftLength,
  DraftLengthSession,
  DraftLengthStart,
  DraftLimit,
  RoundReport,
} from './draft-length.ts'
import { expectedTokens, goesOnWhileItPays } from './early-end.ts'
import { type Attempts, type LedgerState, ledger } from './ledger.ts'
import type { Yield } from './pace.ts'
import { roundTimes, timedRound } from './round-times.ts'
import { isPromising, type Source, source } from './source.ts'

export interface CostModelOptions {
  /** Tokens of a round at most. Default 12. */
  readonly most?: number | undefined
}

export interface CostModel extends DraftLength {
  start(about: DraftLengthStart): CostModelSession
}

export interface CostModelSession extends DraftLengthSession {
  next(ask: DraftAsk): DraftLimit
  observe(round: RoundReport): void
  /** The time lost against plain decoding. */
  readonly ledger: LedgerState
  /**
   * Tokens per time over those of plain decoding, as the rounds so far were expected to be before they were made: R(k) / R(0)
   * over all of them, plain ones and attempts included. Undefined until a plain round was measured.
   */
  predictedSpeedup(): number | undefined
}

const none: DraftLimit = { most: 0 }
const idle = { length: 0, speedup: 1, trying: false }

/** Rounds before the first attempt at a draft that does not pay by its prior. */
const priorWait = 64
/** Of the rounds with the best length, one in so many tries another beside it. */
const neighbourEvery = 16
const neighbours = [1, -1, 2, -2] as const
/** Tokens of an attempt at most. */
const attemptMost = 4
/** Rounds after which it is known how sure a draft may be of itself. */
const manyRounds = 8
/** Rounds without a draft, after which what was seen of it is old, and for how many it counts when the draft is tried again. */
const old = { after: 8, weight: 3 } as const

/**
 * Drafts as many tokens, up to `most`, as give most of them per millisecond. A round that drafts k gives
 *
 *     R(k) = (1 + S_1 + .. + S_k) / t(k)
 *
 * of them for each sequence, where S_i is the share of rounds of which i tokens are accepted, and t(k) what the round takes;
 * R(0) is plain decoding. Both are of recent rounds: S from the chance at each depth that a
 * token holds where those before it did (a round that was shorter tells nothing of what lies deeper), t as a median, which a
 * few slow rounds do not move. A change of either shows within some tens of rounds. Now and then a plain round is made, so
 * that R(0) stays true, and a length beside the best. Guesses, which cost nothing, are judged by their sort whether or not
 * they were verified; they are, as far as it pays best, where neither a plain round nor a draft asked later gives more.
 *
 * Prior: figures measured before (DraftCosts) stand for 8 rounds in S and for 2 in t. Without one drafting starts, after three
 * plain rounds, with one token, and more as they hold.
 *
 * Attempts: a draft that does not pay is tried again after 8 rounds, 16, .., 256, each time that it did not; where it did, at
 * once. What was seen of it before counts for little then, so that a change for the better shows in a few attempts. An early
 * exit is tried only after eight plain steps, made anyway, have shown what it would have proposed, if that is good.
 *
 * Ledger: drafting pauses while the time lost against plain decoding is more than 2 % of what plain decoding would have
 * taken, and one round; attempts may lose 1 %, and one plain round, against what was made but for them; those at guesses by
 * themselves. A round that took over twice as long as such rounds do is counted as one of them: what happened would have
 * happened to plain decoding. Rounds are booked once plain ones were made after them too, which is before drafting is given up:
 * by the mean of what these took. A machine that others slow down for a while makes no draft dear.
 *
 * Whether to draft at all rests on what recent rounds brought for their time, with R(k) for those that are missing.
 * Where reads are free a round ends early as well, when the chance that all its tokens hold, by their confidences and by what
 * such confidences were worth, and the next one too, times what a token takes at the best R, is less than the next one costs.
 *
 * It reads no clock: the same reports give the same lengths. Throws {@link ArgumentError} unless `most` is a whole number
 * from 0.
 */
export function costModel(options: CostModelOptions = {}): CostModel {
  expectOptions('costModel', options)
  const { most = 12 } = options
  if (!Number.isSafeInteger(most) || most < 0) {
    throw new ArgumentError(`the most tokens to draft are ${most}, expected a whole number from 0`)
  }
  return { name: `cost model, at most ${most}`, start: (about) => startCostModel(most, about) }
}

function startCostModel(most: number, { drafts, prior, freeReads }: DraftLengthStart): CostModelSession {
  const times = roundTimes(prior)
  const books = ledger()
  const waiting = bookkeeping({ times, ledger: books })
  const sources = new Map<string, Source>()
  const settled = new Map<string, typeof idle>() // for this round: all sequences of a batch get the same
  const expected = { tokens: 0, ratio: 0 }
  /** Tokens in the time of a plain round that a guess would have given, which stepped back in this round for an attempt. */
  let instead = 1

  function sourceOf(draft: string): Source {
    const known = sources.get(draft)
    if (known) return known
    const ofPrior = draft === 'skip' ? prior : undefined
    const fresh = source({ survival: ofPrior?.survival, wait: ofPrior ? priorWait : 0, runs: ofPrior !== undefined })
    sources.set(draft, fresh)
    return fresh
  }

  /** The best length of a draft that is asked, of `upTo` tokens at most. */
  function judge({ draft, kind, guessed, chance, lanes }: DraftAsk, upTo: number): Judgement {
    const runs = guessed === undefined
    const { tokens } = sourceOf(draft).survival(kind, chance)
    const { ratio } = times.of({ draft, runs, lanes })
    return bestLength(upTo, (length) => ({ tokens: tokens(length), ratio: ratio(length) }))
  }

  const later = (draft: string): readonly string[] => drafts.slice(drafts.indexOf(draft) + 1)

  /** What the drafts asked after this one give, as far as they run the model; of guesses to come nothing is known. */
  function laterSpeedup(draft: string, lanes: number): number {
    const running = later(draft).filter((name) => sourceOf(name).runs)
    const speedups = running.map((name) => sourceOf(name).pace.speedup(judge({ draft: name, lanes }, most)))
    return Math.max(1, ...speedups)
  }

  /**
   * Whether an attempt is due at a draft that is asked after a guess of this speed-up, which is to step back for it. It never
   * does so that a plain step can show an early exit: these wait for steps that are plain anyway.
   */
  function isOwedTurn(draft: string, { lanes, speedup }: { lanes: number; speedup: number }): boolean {
    const from = sourceOf(draft)
    if (from.offered && !from.runs) return false
    if (from.exit.known && !(from.exit.enough && isPromising(from))) return false
    const attempt = judge({ draft, lanes }, Math.min(most, attemptMost))
    return from.probes.due && affords(attempt, { lanes, of: 'run', over: Math.max(instead, speedup) })
  }

  /** Whether an attempt may lose what it will against rounds of `over` tokens in the time of a plain one. */
  function affords(
    { tokens, ratio }: Yield,
    { lanes, of, over = instead }: { lanes: number; of: Attempts; over?: number },
  ): boolean {
    return books.affords((ratio - tokens / over) * (times.plainMs(lanes) ?? 0), of)
  }

  function limitGuess(ask: DraftAsk, guessed: number): DraftLimit {
    const { draft, kind, lanes } = ask
    const upTo = Math.min(guessed, most)
    if (upTo === 0) return none
    const best = judge(ask, upTo)
    const speedup = best.tokens / best.ratio
    const from = sourceOf(draft)
    const owed = later(draft).find((name) => isOwedTurn(name, { lanes, speedup }))
    if (owed !== undefined) {
      sourceOf(owed).offered = true
      instead = Math.max(instead, speedup)
      return none
    }
    if (speedup > laterSpeedup(draft, lanes)) {
      if (times.of({ draft, runs: false, lanes }).measured > 0) return { most: best.length }
      // How far it holds is known, so that it loses nothing unless rows cost more than they are thought to.
      const { length, tokens, ratio } = judge(ask, Math.min(upTo, attemptMost))
      from.trying = affords({ tokens, ratio: Math.max(tokens, ratio) }, { lanes, of: 'guess' })
      return { most: from.trying ? length : 0 }
    }
    // Its survival is known without verifying; only a time that was measured in a bad moment can be wrong for long.
    if (!from.probes.due || !isPromising(from, kind)) return none
    if (!affords(judge(ask, 1), { lanes, of: 'guess' })) return none
    from.trying = true
    return { most: 1 }
  }

  function settle(ask: DraftAsk): typeof idle {
    const from = sourceOf(ask.draft)
    from.runs = true
    from.offered = true
    const best = judge(ask, most)
    const speedup = from.pace.speedup(best)
    if (speedup > 1) {
      const turn = Math.floor(from.uses / neighbourEvery)
      const aside = from.uses % neighbourEvery === neighbourEvery - 1 ? neighbours[turn % neighbours.length]! : 0
      return { length: Math.max(1, Math.min(most, best.length + aside)), speedup, trying: instead > 1 }
    }
    if (waiting.holds(from.pace)) return idle
    const attempt = judge(ask, Math.min(most, attemptMost))
    if (!from.probes.due || !affords(attempt, { lanes: ask.lanes, of: 'run' })) return idle
    if (from.probes.idle >= old.after && !from.exit.begun) {
      from.survival(undefined).fade(old.weight)
      from.pace.fade(0)
    }
    if (!isWorthTrying(from, ask)) return idle
    return { length: attempt.length, speedup: 1, trying: true }
  }

  /** An early exit is tried where plain steps have shown that it holds, and only its time is not known. */
  function isWorthTrying(from: Source, { draft, lanes }: DraftAsk): boolean {
    if (!from.exit.known) return true
    if (!from.exit.enough) {
      from.exit.want()
      return false
    }
    const timed = times.of({ draft, runs: true, lanes }).measured > 0
    if (!timed && isPromising(from)) return true
    from.exit.forget()
    from.probes.tried(false)
    return false
  }

  function limitRun(ask: DraftAsk): DraftLimit {
    const found = settled.get(ask.draft) ?? settle(ask)
    settled.set(ask.draft, found)
    const { length, speedup, trying } = found
    const from = sourceOf(ask.draft)
    from.trying = trying
    if (length === 0 || !freeReads) return { most: length }
    if (speedup <= 1 || !from.confident) return { most: length, goesOn: () => true }
    const goesOn = goesOnWhileItPays(from, { curve: times.of({ ...ask, runs: true }), speedup })
    const known = from.uses >= manyRounds
    return { most: known ? most : Math.min(most, Math.max(length, attemptMost)), goesOn }
  }

  function learn(round: RoundReport): void {
    const lanes = round.lanes.length
    const tokens = mean(round.lanes.map(({ accepted }) => 1 + accepted))
    const timed = timedRound(round)
    const plainMs = times.plainMs(lanes)
    if (round.showedExit) {
      if (plainMs !== undefined) books.add({ ms: round.ms, plainMs, tokens: 1, kind: 'run' })
      return
    }
    const believed = plainMs !== undefined ? times.believed(round, plainMs) : undefined
    times.record(round)
    if (plainMs === undefined || !believed) return
    expected.ratio += believed.typical
    expected.tokens += mean(
      round.lanes.map((lane) => (lane.draft === undefined ? 1 : expectedTokens(sourceOf(lane.draft), lane))),
    )
    const used = typeof timed === 'object' ? sources.get(timed.draft) : undefined
    for (const from of sources.values()) {
      if (from !== used) from.probes.wait()
    }
    const { ms } = believed
    if (waiting.lanes !== undefined && waiting.lanes !== lanes) waiting.release(times.plainMs(waiting.lanes)!)
    if (timed === 'plain') {
      books.add({ ms, plainMs, tokens, kind: 'plain' })
      const meanwhile = times.endStretch(lanes)
      if (meanwhile !== undefined) waiting.release(meanwhile)
    } else if (used?.trying) {
      const kind = round.draftPasses > 0 ? 'run' : 'guess'
      const paid = tokens > (ms / plainMs) * instead
      waiting.enter({ round, tokens, pace: used.pace }, { plainMs, kind, instead })
      used.probes.tried(paid)
      if (!paid) used.exit.forget()
    } else {
      waiting.hold({ round, tokens, pace: used?.pace }, plainMs)
      used?.probes.used()
      if (used) used.uses++
    }
  }

  return {
    next(ask) {
      if (most === 0 || times.needsPlain(ask.lanes) || books.exceeded) return none
      return ask.guessed === undefined ? limitRun(ask) : limitGuess(ask, ask.guessed)
    },
    observe(round) {
      learn(round)
      for (const { draft, kind, drafted, accepted, confidences } of round.lanes) {
        if (draft === undefined || drafted === 0) continue
        const from = sourceOf(draft)
        from.survival(kind).observe({ drafted, accepted })
        if (confidences) {
          from.confident = confidences.length > 0
          from.calibration.observe(confidences, accepted)
        }
      }
      for (const from of sources.values()) from.trying = false
      settled.clear()
      instead = 1
    },
    observeGuess({ draft, kind, drafted, accepted }) {
      if (draft !== undefined && drafted > 0) sourceOf(draft).survival(kind).observe({ drafted, accepted })
    },
    wantsExit: (draft) => sourceOf(draft).exit.show(!books.exceeded),
    ledger: books,
    predictedSpeedup: () => (expected.ratio > 0 ? expected.tokens / expected.ratio : undefined),
  }
}

const mean = (figures: readonly number[]): number => figures.reduce((sum, figure) => sum + figure, 0) / figures.length
