// The draft length that gives most tokens in a time, from what rounds take and how far drafts hold; 0 where that is plain decoding.

import { ArgumentError } from '../../engine/errors.ts'
import { expectOptions } from '../../engine/options.ts'
import { bestLength, type Judgement } from './best-length.ts'
import type {
  DraftAsk,
  DraftLength,
  DraftLengthSession,
  DraftLengthStart,
  DraftLimit,
  LaneReport,
  RoundReport,
} from './draft-length.ts'
import { type LedgerState, ledger } from './ledger.ts'
import type { Yield } from './pace.ts'
import { roundTimes, timedRound } from './round-times.ts'
import { type Source, source } from './source.ts'

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

/** Plain rounds before the first attempt where nothing is known, and where a prior tells all but the time of one. */
const plainRounds = { unknown: 2, prior: 1 } as const
/** Rounds before the first attempt at a draft that does not pay by its prior. */
const priorWait = 64
/** Of the rounds with the best length, one in so many tries another beside it. */
const neighbourEvery = 16
const neighbours = [1, -1, 2, -2] as const
/** Tokens of an attempt at most. */
const attemptMost = 4
/** Rounds after which it is known what those of a draft take, and how sure it may be of itself. */
const manyRounds = 8
/** What was seen before a draft lay idle counts for so many rounds when it is tried again. */
const oldWeight = 3
/** Rounds without a draft, after which what was seen of it is old. */
const oldAfter = 8

/**
 * Drafts as many tokens, up to `most`, as give most of them per millisecond. A round that drafts k gives
 *
 *     R(k) = (1 + S_1 + .. + S_k) / t(k)
 *
 * of them for each sequence, where S_i is the share of rounds of which i tokens are accepted, and t(k) what the round takes,
 * with all that belongs to it; R(0) is plain decoding. Both are of recent rounds: S from the chance at each depth that a
 * token holds where those before it did (a round that was shorter tells nothing of what lies deeper), t as a median, which a
 * few slow rounds do not move. A change of either shows within some tens of rounds. Now and then a plain round is made, so
 * that R(0) stays true, and a length beside the best. Guesses, which cost nothing, are judged by their sort whether or not
 * they were verified; they are, as far as it pays best, where neither a plain round nor a draft asked later gives more.
 *
 * Prior: figures measured before (DraftCosts) stand for 8 rounds in S and for 2 in t, so that drafting starts after two
 * plain rounds. Without one it starts with plain rounds, then tries one token, and more as they hold.
 *
 * Attempts: a draft that does not pay is tried again after 8 rounds, 16, .., 256, each time that it did not; where it did, at
 * once. What was seen of it before counts for little then, so that a change for the better shows in a few attempts. An early
 * exit needs no attempt: eight plain steps show what it would have proposed.
 *
 * Ledger: drafting pauses while the time lost against plain decoding is more than 2 % of what plain decoding would have
 * taken, and one round; attempts may lose 1 %, and one plain round. A round that took over twice as long as such rounds do is
 * counted as one of them: what happened would have happened to plain decoding.
 *
 * Whether to draft at all rests on what recent rounds brought for their time, with R(k) for those that are missing.
 *
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
  const times = roundTimes({ prior, plainRounds: prior ? plainRounds.prior : plainRounds.unknown })
  const books = ledger()
  const sources = new Map<string, Source>()
  /** Lengths settled for this round: all sequences of a batch get the same. */
  const settled = new Map<string, { length: number; speedup: number; trying: boolean }>()
  const expected = { tokens: 0, ratio: 0 }

  function sourceOf(draft: string): Source {
    const known = sources.get(draft)
    if (known) return known
    const ofPrior = draft === 'skip' ? prior : undefined
    const fresh = source({ survival: ofPrior?.survival, wait: ofPrior ? priorWait : 0 })
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

  /** Whether a draft that is never asked, because those before it have a guess each time, is to be asked once. */
  function isOwedTurn(draft: string, lanes: number): boolean {
    const from = sourceOf(draft)
    if (!from.offered) {
      from.offered = true
      return true
    }
    return from.runs && from.probes.due && affords(judge({ draft, lanes }, Math.min(most, attemptMost)), lanes)
  }

  const affords = ({ tokens, ratio }: Yield, lanes: number): boolean =>
    books.affords((ratio - tokens) * (times.plainMs(lanes) ?? 0))

  function limitGuess(ask: DraftAsk, guessed: number): DraftLimit {
    const { draft, kind, lanes } = ask
    const upTo = Math.min(guessed, most)
    if (upTo === 0 || later(draft).some((name) => isOwedTurn(name, lanes))) return none
    const best = judge(ask, upTo)
    const from = sourceOf(draft)
    if (best.tokens / best.ratio > laterSpeedup(draft, lanes)) {
      const { measured } = times.of({ draft, runs: false, lanes })
      if (measured > 0 || books.affords((best.ratio - 1) * times.plainMs(lanes)!)) return { most: best.length }
      return none
    }
    // Its survival is known without verifying; only a time that was measured in a bad moment can be wrong for long.
    if (!from.probes.due || from.survival(kind).tokens(1) < 1.5 || !affords(judge(ask, 1), lanes)) return none
    from.trying = true
    return { most: 1 }
  }

  function settle(ask: DraftAsk): { length: number; speedup: number; trying: boolean } {
    const from = sourceOf(ask.draft)
    from.runs = true
    from.offered = true
    const best = judge(ask, most)
    const speedup = from.pace.speedup(best)
    if (speedup > 1) {
      const turn = Math.floor(from.uses / neighbourEvery)
      const aside = from.uses % neighbourEvery === neighbourEvery - 1 ? neighbours[turn % neighbours.length]! : 0
      return { length: Math.max(1, Math.min(most, best.length + aside)), speedup, trying: false }
    }
    const attempt = judge(ask, Math.min(most, attemptMost))
    if (!from.probes.due || !affords(attempt, ask.lanes)) return idle
    if (from.probes.idle >= oldAfter && !from.exit.begun) {
      from.survival(undefined).fade(oldWeight)
      from.pace.fade(0)
    }
    if (!isWorthTrying(from, ask)) return idle
    return { length: attempt.length, speedup: 1, trying: true }
  }

  /** An early exit is tried where plain steps have shown that it holds, and only its time is not known. */
  function isWorthTrying(from: Source, { draft, lanes }: DraftAsk): boolean {
    if (!from.exit.known) return true
    if (!from.exit.enough()) return false
    const timed = times.of({ draft, runs: true, lanes }).measured > 0
    if (!timed && from.survival(undefined).tokens(1) >= 1.5) return true
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
    if (trying || !from.confident) return { most: length, goesOn: () => true }
    const known = from.uses >= manyRounds
    return { most: known ? most : Math.min(most, Math.max(length, attemptMost)), goesOn: stopEarly(ask, speedup) }
  }

  function stopEarly({ draft, lanes }: DraftAsk, speedup: number): (confidence: number) => boolean {
    const from = sourceOf(draft)
    const survival = from.survival(undefined)
    const cost = times.of({ draft, runs: true, lanes }).inferred
    let [share, length] = [1, 0]
    return (confidence) => {
      length++
      share *= from.calibration.acceptance(confidence)
      return (share * survival.chance(length + 1)) / speedup > cost(length + 1) - cost(length)
    }
  }

  function expectedTokens({ draft, kind, drafted, confidences = [] }: LaneReport): number {
    if (draft === undefined) return 1
    const from = sourceOf(draft)
    if (confidences.length < drafted) return from.survival(kind).tokens(drafted)
    let [sum, share] = [1, 1]
    for (const confidence of confidences) {
      share *= from.calibration.acceptance(confidence)
      sum += share
    }
    return sum
  }

  function learn(round: RoundReport): void {
    const lanes = round.lanes.length
    const tokens = mean(round.lanes.map(({ accepted }) => 1 + accepted))
    const timed = timedRound(round)
    const plainMs = times.plainMs(lanes)
    const plain = timed === 'plain'
    const curve = typeof timed === 'object' ? times.of(timed) : undefined
    const typical = typeof timed === 'object' ? curve?.ratio(timed.length) : undefined
    const known = curve !== undefined && curve.measured >= manyRounds
    if (round.showedExit) {
      if (plainMs !== undefined) books.add({ ms: round.ms, plainMs, tokens: 1, kind: 'attempt' })
      return
    }
    times.record(round)
    if (plainMs === undefined) return
    // Before many were measured none is taken to be longer than its passes one by one would be: the rest is warming up.
    const onePass = (round.draftPasses + round.rows / lanes) * plainMs
    let { ms } = round
    if (typical !== undefined && ms > 2 * typical * plainMs) ms = typical * plainMs
    if (!known) ms = Math.min(ms, onePass)
    const used = typeof timed === 'object' ? sources.get(timed.draft) : undefined
    books.add({ ms, plainMs, tokens, kind: plain ? 'plain' : used?.trying ? 'attempt' : 'drafting' })
    expected.ratio += plain ? 1 : (typical ?? ms / plainMs)
    expected.tokens += mean(round.lanes.map(expectedTokens))

    for (const from of sources.values()) {
      if (from !== used) from.probes.wait()
    }
    if (!used) return
    const found = { tokens, ratio: ms / plainMs }
    used.pace.add(found)
    if (used.trying) used.probes.tried(tokens > found.ratio)
    else {
      used.probes.used()
      used.uses++
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
    },
    observeGuess({ draft, kind, drafted, accepted }) {
      if (draft !== undefined && drafted > 0) sourceOf(draft).survival(kind).observe({ drafted, accepted })
    },
    wantsExit: (draft) => sourceOf(draft).exit.show(!books.exceeded),
    ledger: books,
    predictedSpeedup: () => (expected.ratio > 0 ? expected.tokens / expected.ratio : undefined),
  }
}

function mean(figures: readonly number[]): number {
  return figures.reduce((sum, figure) => sum + figure, 0) / figures.length
}
