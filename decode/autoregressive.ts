// Plain decoding: one pass of the full model, one token.

import { NumericError } from '../engine/errors.ts'
import type { Llama } from '../model/llama.ts'
import type { Position, Round } from './round.ts'

/** Runs the newest token through the model and chooses the next. */
export async function plainRound(model: Llama, { sequence, newest, turn }: Position): Promise<Round> {
  await turn()
  const start = performance.now()
  const arena = model.backend.arena()
  try {
    const rows = model.rows([{ sequence, count: 1 }], arena)
    const hidden = model.run(model.embed(Int32Array.of(newest), rows), rows)
    const { ids, scores } = model.select(model.head(hidden, rows), rows)
    const [chosen, confidence] = await model.backend.read([ids, scores])
    checkLogits(confidence!, sequence.length)
    const cost = {
      draftPasses: 0,
      sublayersRun: model.sublayers,
      draftMs: 0,
      verifyMs: performance.now() - start,
    }
    return { tokens: [...chosen!], drafted: [], accepted: 0, cost }
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
