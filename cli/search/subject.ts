// What is searched over: the modelled objective of a model, made of its own texts and of what passes cost here.

import { createTurn } from '../../engine/turn.ts'
import type { Model } from '../../model/load-model.ts'
import { measureCosts, medianContext, type SublayerCosts } from '../../search/costs.ts'
import { modelledObjective } from '../../search/modelled.ts'
import type { Objective } from '../../search/objective.ts'
import { type Recording, record } from '../../search/recording.ts'

export interface SubjectOptions {
  /** Token ids. */
  readonly prompts: readonly (readonly number[])[]
  readonly maxNewTokens: number
  /** The longest draft that is considered. */
  readonly longest: number
  /** Those of a journal, or of the process that has measured. Default: they are measured. */
  readonly costs?: SublayerCosts | undefined
}

export interface SubjectProgress {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((what: string, done: number, total: number) => void) | undefined
}

/** Disposed before its model. */
export interface Subject extends Disposable {
  readonly objective: Objective
  readonly costs: SublayerCosts
  /** What the model made of the prompts. */
  readonly recording: Recording
}

/** Rounds of each kind of which a cost is the median. */
const repeats = 9

export async function openSubject(
  model: Model,
  { prompts, maxNewTokens, longest, costs: given }: SubjectOptions,
  { signal, onProgress }: SubjectProgress = {},
): Promise<Subject> {
  const told = (what: string) => onProgress && ((done: number, total: number) => onProgress(what, done, total))
  const recording = await record(model, { prompts, maxNewTokens, signal, onProgress: told('recording token') })
  try {
    const costs =
      given ??
      (await measureCosts(model, {
        longest,
        context: Math.max(0, Math.min(medianContext(recording), model.config.maxPositionEmbeddings - longest - 2)),
        repeats,
        turn: createTurn(signal),
        onProgress: told('timing round'),
      }))
    const objective = modelledObjective(model, { recording, costs, longest })
    return { objective, costs, recording, [Symbol.dispose]: () => recording.dispose() }
  } catch (error) {
    recording.dispose()
    throw error
  }
}
