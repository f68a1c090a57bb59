// Timing the best sets beside plain decoding, as records of the journal.

import type { Model } from '../../model/load-model.ts'
import { confirm } from '../../search/confirm.ts'
import type { ConfirmedRecord } from '../../search/journal.ts'
import type { Found } from '../../search/memory.ts'
import type { Recording } from '../../search/recording.ts'
import { skipOf } from '../../search/space.ts'

export interface ConfirmSetsOptions {
  readonly sets: readonly Found[]
  /** Whether they were timed before, and picked by that. */
  readonly again: boolean
  readonly recording: Recording
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}

/** Comparisons that there are at least: few texts are decoded several times. */
const leastRounds = 16

/** Those sets of which there are figures: texts of a single token have no speed. Throws `AbortError`. */
export async function confirmSets(
  model: Model,
  { sets, again, recording, signal, onProgress }: ConfirmSetsOptions,
): Promise<ConfirmedRecord[]> {
  if (sets.length === 0) return []
  const repeats = Math.max(2, Math.ceil(leastRounds / recording.texts.length))
  const candidates = sets.map(({ point, draftLength, speedup }) => ({ skip: skipOf(point), draftLength, speedup }))
  const confirmed = await confirm(model, { recording, candidates, repeats, signal, onProgress })
  return confirmed.flatMap(({ plain, fixed, costModel }, i): ConfirmedRecord[] => {
    const { key, draftLength, speedup: predicted } = sets[i]!
    const identical = fixed.identical && costModel.identical
    const { drafted, speedup } = fixed
    const figures = [plain, drafted, speedup, costModel.speedup].flatMap(({ low, median, high }) => [low, median, high])
    if (!figures.every(Number.isFinite)) return []
    return [
      {
        kind: 'confirmed',
        key,
        draftLength,
        plain,
        drafted,
        speedup,
        costModel: costModel.speedup,
        predicted,
        identical,
        ...(again && { again }),
      },
    ]
  })
}
