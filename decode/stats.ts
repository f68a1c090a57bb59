// What a generation did and what it cost.

import type { SkipSet } from '../model/skip.ts'
import type { LaneRound, Round } from './speculative.ts'
import { spread } from './timing.ts'

export interface GenerationStats {
  /** Names of the draft and of the policy for its length; `'none'` and undefined for plain decoding. */
  readonly draft: string
  readonly draftLength: string | undefined
  readonly skip: SkipSet | undefined
  /** Where tokens were sampled. */
  readonly seed: number | undefined
  readonly promptTokens: number
  /** Prompt tokens whose rows were in the cache already. */
  readonly reusedTokens: number
  readonly newTokens: number
  /** Passes of the full model over new tokens: one a round. */
  readonly rounds: number
  readonly prefillPasses: number
  readonly draftPasses: number
  /** Sublayers run while decoding, each counted once for every row. */
  readonly sublayersRun: number
  readonly draftedTokens: number
  /** Drafted tokens that the model confirmed, whether or not the text ended before them. */
  readonly acceptedTokens: number
  /** `acceptedTokens / draftedTokens`; undefined when nothing was drafted. */
  readonly acceptanceRate: number | undefined
  /** `acceptedByRound[n]`: rounds in which n drafted tokens were accepted. */
  readonly acceptedByRound: readonly number[]
  /** What each draft did, by its name. */
  readonly drafts: Readonly<Record<string, DraftStats>>
  /** Milliseconds; of a round that a batch shares, this text's part. */
  readonly milliseconds: {
    readonly prefill: number
    readonly draft: number
    readonly verify: number
    /** Of both, what the choice of tokens took where it was not the backend's. */
    readonly sample: number
    /** Decoding as a whole, prefill apart, and without the time that the consumer took. */
    readonly decode: number
  }
  /** New tokens per second of decoding; undefined when there are none. */
  readonly tokensPerSecond: number | undefined
  /** Over plain decoding. */
  readonly speedup: {
    /** What the policy for the draft length expected of the rounds so far, each before it was made; undefined where it does not. */
    readonly predicted?: number | undefined
    /**
     * By the median of the plain rounds, those in which no text of the batch drafted or showed an early exit; the first of a
     * text does not count. Of a batch: over plain decoding of as many texts at once, in the rounds with a number of texts of
     * which there were three plain ones. Undefined where there was none such.
     */
    readonly measured?: number | undefined
  }
}

export interface DraftStats {
  readonly rounds: number
  readonly drafted: number
  readonly accepted: number
}

/** One round of one text. */
export interface RoundTrace {
  /** From 0. */
  readonly round: number
  /** The place in the whole text, prompt included, of the first token that the round chose. */
  readonly position: number
  /** The draft whose tokens were verified, and what sort of guess they were; undefined for a plain step. */
  readonly draft: string | undefined
  readonly kind: string | undefined
  /** The most tokens that could be drafted. */
  readonly limit: number
  readonly drafted: readonly number[]
  readonly accepted: number
  /** Of the drafted tokens, where the policy asked for them. */
  readonly confidences: readonly number[] | undefined
  /** What the round added to the text. */
  readonly tokens: readonly number[]
  /** Rows of the pass that verified, of all texts of a batch. */
  readonly rows: number
  readonly draftPasses: number
  /** This text's part, where a batch shares the round. */
  readonly milliseconds: {
    readonly round: number
    readonly draft: number
    readonly verify: number
    /** Of both, the choice of tokens where it was not the backend's. */
    readonly sample: number
  }
}

export interface StatsRecorder {
  prefill(work: { passes: number; reused: number; ms: number }): void
  /** `share` of the round's time is this text's; `sampledMs` is what the choice of all its tokens took so far. */
  round(done: {
    readonly chosen: LaneRound
    readonly report: Round
    readonly ms: number
    readonly share: number
    readonly position: number
    readonly tokens: readonly number[]
    readonly sampledMs: number
  }): RoundTrace
  summary(end: { newTokens: number; predicted: number | undefined }): GenerationStats
}

export function recordStats(
  constant: Pick<GenerationStats, 'draft' | 'draftLength' | 'skip' | 'seed' | 'promptTokens'>,
): StatsRecorder {
  const prefill = { passes: 0, reused: 0, ms: 0 }
  const acceptedByRound: number[] = []
  const drafts: Record<string, DraftStats> = {}
  const sum = { rounds: 0, draftPasses: 0, sublayersRun: 0, drafted: 0, accepted: 0 }
  const time = { draft: 0, verify: 0, sample: 0, decode: 0 }
  /** By the number of texts that shared a round: what this one got and took, and its part of plain rounds. */
  const byLanes = new Map<number, { tokens: number; ms: number; readonly plainMs: number[] }>()

  return {
    prefill(work) {
      Object.assign(prefill, work)
    },
    round({ chosen, report, ms, share, position, tokens, sampledMs }) {
      const { draft, kind, limit, draftedTokens, drafted, accepted, confidences, draftPasses } = chosen
      const milliseconds = {
        round: ms * share,
        draft: report.draftMs * share,
        verify: report.verifyMs * share,
        sample: sampledMs - time.sample,
      }
      const round = sum.rounds++
      sum.draftPasses += draftPasses
      sum.sublayersRun += chosen.sublayersRun
      sum.drafted += drafted
      sum.accepted += accepted
      time.draft += milliseconds.draft
      time.verify += milliseconds.verify
      time.decode += milliseconds.round
      time.sample = sampledMs
      if (draft !== undefined) {
        const before = drafts[draft] ?? { rounds: 0, drafted: 0, accepted: 0 }
        drafts[draft] = {
          rounds: before.rounds + 1,
          drafted: before.drafted + drafted,
          accepted: before.accepted + accepted,
        }
      }
      const lanes = report.lanes.length
      const shared = byLanes.get(lanes) ?? { tokens: 0, ms: 0, plainMs: [] }
      byLanes.set(lanes, shared)
      shared.tokens += tokens.length
      shared.ms += milliseconds.round
      if (round > 0 && isPlain(report)) shared.plainMs.push(milliseconds.round)
      while (acceptedByRound.length <= accepted) acceptedByRound.push(0)
      acceptedByRound[accepted]!++
      const { rows } = report
      const work = { drafted: draftedTokens, accepted, confidences, tokens, rows, draftPasses, milliseconds }
      return { round, position, draft, kind, limit, ...work }
    },
    summary({ newTokens, predicted }) {
      return {
        ...constant,
        reusedTokens: prefill.reused,
        newTokens,
        rounds: sum.rounds,
        prefillPasses: prefill.passes,
        draftPasses: sum.draftPasses,
        sublayersRun: sum.sublayersRun,
        draftedTokens: sum.drafted,
        acceptedTokens: sum.accepted,
        acceptanceRate: sum.drafted > 0 ? sum.accepted / sum.drafted : undefined,
        acceptedByRound: [...acceptedByRound],
        drafts: { ...drafts },
        milliseconds: { prefill: prefill.ms, ...time },
        tokensPerSecond: newTokens > 0 && time.decode > 0 ? newTokens / (time.decode / 1000) : undefined,
        speedup: { predicted, measured: measuredSpeedup([...byLanes.values()]) },
      }
    },
  }
}

/** Whether a round cost what a step of plain decoding costs. */
function isPlain({ lanes, draftPasses, showedExit }: Round): boolean {
  return showedExit !== true && draftPasses === 0 && lanes.every(({ drafted }) => drafted === 0)
}

/** What the tokens would have taken by plain rounds, over what they took. */
function measuredSpeedup(
  all: readonly { readonly tokens: number; readonly ms: number; readonly plainMs: readonly number[] }[],
): number | undefined {
  const known = all.filter(({ plainMs }) => plainMs.length >= 3)
  const ms = known.reduce((sum, rounds) => sum + rounds.ms, 0)
  const plainly = known.reduce((sum, { tokens, plainMs }) => sum + tokens * spread(plainMs).median, 0)
  return ms > 0 ? plainly / ms : undefined
}
