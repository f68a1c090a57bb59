// Plain decoding: one pass of the full model, one token.

import { NumericError } from '../engine/errors.ts'
import type { Llama } from '../model/llama.ts'
import type { Position, Round } from './round.ts'

/** Runs the newest token through the model and chooses the next. */
export async function plainRound(model: Llama, { sequence, newest, turn, sampler }: Position): Promise<Round> {
  await turn()
  const start = performance.now()
  const arena = model.backend.arena()
  try {
    const rows = model.rows([{ sequence, count: 1 }], arena)
    const hidden = model.run(model.embed(Int32Array.of(newest), rows), rows)
    const logits = model.head(hidden, rows)
    const { ids, scores } = model.select(logits, rows)
    const [chosen, confidence, values] = await model.backend.read([ids, scores, ...(sampler ? [logits] : [])])
    checkLogits(confidence!, sequence.length)
    const token = sampler ? sampler.choose(values!, [...sequence.tokens, newest]) : chosen![0]!
    const cost = {
      draftPasses: 0,
      sublayersRun: model.sublayers,
      draftMs: 0,
      verifyMs: performance.now() - start,
    }
    return { tokens: [token], drafted: [], accepted: 0, cost }
  } finally {
    arena.release()
  }
}

/** Throws {@link NumericError} where a row's logits hold NaN, or nothing but minus infinity. `scores [rows, 2]`. */
export function checkLogits(scores: ArrayLike<number>, position: number): void {
  for (let row = 0; row < scores.length / 2; row++) {
    if (!Number.isFinite(scores[2 * row + 1])) {
      throw new NumericError(`the logits after position ${position + row} are not numbers; are the weights damaged?`)
    }
  }
}
