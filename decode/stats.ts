// What a generation did and what it cost.

import type { SkipSet } from '../model/skip.ts'
import type { Round } from './round.ts'

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
}

export interface StatsRecorder {
  prefill(work: { passes: number; reused: number; ms: number }): void
  round(round: Round, ms: number): void
  summary(end: { newTokens: number; sampleMs: number }): GenerationStats
}

export function recordStats(
  constant: Pick<GenerationStats, 'draft' | 'draftLength' | 'skip' | 'seed' | 'promptTokens'>,
): StatsRecorder {
  const prefill = { passes: 0, reused: 0, ms: 0 }
  const acceptedByRound: number[] = []
  const sum = { rounds: 0, draftPasses: 0, sublayersRun: 0, drafted: 0, accepted: 0, draft: 0, verify: 0, decode: 0 }
  return {
    prefill(work) {
      Object.assign(prefill, work)
    },
    round({ drafted, accepted, cost }, ms) {
      sum.rounds++
      sum.draftPasses += cost.draftPasses
      sum.sublayersRun += cost.sublayersRun
      sum.drafted += drafted.length
      sum.accepted += accepted
      sum.draft += cost.draftMs
      sum.verify += cost.verifyMs
      sum.decode += ms
      while (acceptedByRound.length <= accepted) acceptedByRound.push(0)
      acceptedByRound[accepted]!++
    },
    summary: ({ newTokens, sampleMs }) => ({
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
      milliseconds: { prefill: prefill.ms, draft: sum.draft, verify: sum.verify, sample: sampleMs, decode: sum.decode },
      tokensPerSecond: newTokens > 0 && sum.decode > 0 ? newTokens / (sum.decode / 1000) : undefined,
    }),
  }
}
