// A generation and the rounds that it was made in.

import type { GenerationResult } from '../decode/events.ts'
import { generate } from '../decode/generate.ts'
import type { GenerateOptions } from '../decode/options.ts'
import type { Model } from '../model/load-model.ts'
import type { RoundOutcome } from './attainable.ts'

export interface Traced {
  readonly result: GenerationResult
  readonly rounds: readonly RoundOutcome[]
}

/** Generates to the end. */
export async function traced(model: Model, ids: readonly number[], options: GenerateOptions): Promise<Traced> {
  const rounds: RoundOutcome[] = []
  const { result } = generate(model, ids, {
    ...options,
    onRound: ({ drafted, accepted, draftPasses }) => rounds.push({ drafted: drafted.length, accepted, draftPasses }),
  })
  return { result: await result, rounds }
}
