// A generation, the rounds that it was made in, and the books that its cost model kept.

import { type CostModelSession, costModel } from '../decode/draft-length/cost-model.ts'
import type { DraftLengthStart } from '../decode/draft-length/draft-length.ts'
import type { GenerationResult } from '../decode/events.ts'
import { generate } from '../decode/generate.ts'
import type { GenerateOptions } from '../decode/options.ts'
import type { Model } from '../model/load-model.ts'
import type { RoundOutcome } from '../search/attainable.ts'

export interface Traced {
  readonly result: GenerationResult
  readonly rounds: readonly RoundOutcome[]
  /** What the policy `cost-model` says was lost in the end, in milliseconds; undefined for others. */
  readonly lostMs: number | undefined
}

/** Generates to the end. */
export async function traced(model: Model, ids: readonly number[], options: GenerateOptions): Promise<Traced> {
  const rounds: RoundOutcome[] = []
  const policy = costModel()
  let session: CostModelSession | undefined
  const watched = {
    ...policy,
    start(about: DraftLengthStart): CostModelSession {
      session = policy.start(about)
      return session
    },
  }
  const { result } = generate(model, ids, {
    ...options,
    draftLength: options.draftLength === 'cost-model' ? watched : options.draftLength,
    onRound: ({ drafted, accepted, draftPasses }) => rounds.push({ drafted: drafted.length, accepted, draftPasses }),
  })
  return { result: await result, rounds, lostMs: session?.ledger.lostMs }
}
