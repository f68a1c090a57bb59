// The modelled objective: what a skip set brings by the rounds that replay finds and by what these cost here. Nothing is timed,
// so a point is worth the same each time it is asked.

import { ArgumentError } from '../engine/errors.ts'
import { createTurn } from '../engine/turn.ts'
import type { Model } from '../model/load-model.ts'
import { predictedSpeedup, type RoundCosts, type RoundOutcome, roundCost, survivals } from './attainable.ts'
import { costsOf, type SublayerCosts } from './costs.ts'
import { insideOf } from './inside.ts'
import type { Evaluation, Objective } from './objective.ts'
import type { Recording } from './recording.ts'
import { type Accepted, replay } from './replay.ts'
import { roundsOf } from './replayed-rounds.ts'
import { type Point, skipOf } from './space.ts'

export interface ModelledOptions {
  /** Stays the caller's. */
  readonly recording: Recording
  readonly costs: SublayerCosts
  /** The longest draft that is considered. Default: the longest whose verification was measured. */
  readonly longest?: number | undefined
  /** Rows at which strategies may look into the model. Default 32. */
  readonly samples?: number | undefined
}

const plain = { speedup: 1, draftLength: 0 }

/**
 * What drafting brings on the recorded texts: their tokens over the cost of the rounds that make them, at the best draft
 * length; the rounds are those of decoding. Two objectives with one `id` and the same costs agree on every point.
 */
export function modelledObjective(model: Model, options: ModelledOptions): Objective {
  const { recording, costs, longest = costs.verify.length - 1, samples = 32 } = options
  const { sublayers } = model
  if (costs.sublayers.length !== sublayers) {
    throw new ArgumentError(`there are costs of ${costs.sublayers.length} sublayers; ${model.name} has ${sublayers}`)
  }

  async function evaluate(point: Point, signal: AbortSignal | undefined): Promise<Evaluation> {
    const about = costsOf(costs, point)
    const { draft } = about
    const lengths = Array.from({ length: longest }, (_, i) => i + 1)
    const bounds = lengths.map((length) => atMost(length, about))
    const most = bounds.findLastIndex((bound) => bound > 1) + 1
    if (most === 0) {
      const drafted = Math.max(...bounds)
      return { speedup: 1, drafted, draftLength: 0, survival: [], draft }
    }
    const turn = createTurn(signal)
    const accepted = await replay(model, recording, { skip: skipOf(point), longest: most, turn })
    const speedups = lengths
      .slice(0, most)
      .map((length) => predictedSpeedup(outcomes(recording, accepted, length), about))
    const drafted = Math.max(...speedups)
    const best = drafted > 1 ? { speedup: drafted, draftLength: speedups.indexOf(drafted) + 1 } : plain
    return { ...best, drafted, survival: survivals(anywhere(recording, accepted, most), most), draft }
  }

  return {
    sublayers,
    id: objectiveId(model, { recording, longest }),
    costs: costs.sublayers,
    async evaluate(points, signal) {
      const evaluations: Evaluation[] = []
      for (const point of points) evaluations.push(await evaluate(point, signal))
      return evaluations
    },
    inside: insideOf(model, recording, { samples }),
  }
}

/** Of everything that an evaluation depends on but costs. On how many threads a model runs is not among it: that changes costs alone. */
export function objectiveId(model: Model, { recording, longest }: { recording: Recording; longest: number }): string {
  const { backend, summary, id, name } = model
  const texts = recording.texts.map(({ ids, promptTokens, most }) => [promptTokens, most, ...ids])
  return hash(JSON.stringify(['modelled@2', id ?? name, backend.name, summary.dtype, longest, texts]))
}

/** The speed-up of drafts of a length, every token of which stands: a bound, and of sets that skip next to nothing nearly what they bring. */
function atMost(drafted: number, costs: RoundCosts): number {
  return (drafted + 1) / roundCost({ drafted, accepted: drafted, draftPasses: drafted }, costs)
}

/** The rounds of all texts at one draft length. */
function outcomes({ texts }: Recording, accepted: Accepted, draftLength: number): RoundOutcome[] {
  return texts.flatMap((text, i) =>
    roundsOf(text, accepted[i]!, draftLength).map(({ drafted, tokens }) => {
      return { drafted, accepted: tokens - 1, draftPasses: drafted }
    }),
  )
}

/** A draft from every place, for how far drafts hold: more of them than there are rounds at any one length. */
function anywhere({ texts }: Recording, accepted: Accepted, longest: number): RoundOutcome[] {
  return texts.flatMap(({ ids, promptTokens, most }, i) =>
    accepted[i]!.map((count, done) => {
      const drafted = Math.max(0, Math.min(longest, ids.length - promptTokens - done, most - done - 1))
      return { drafted, accepted: count, draftPasses: drafted }
    }),
  )
}

/** FNV-1a, 64 bits, of UTF-8, in hex. */
function hash(text: string): string {
  let value = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(text)) value = BigInt.asUintN(64, (value ^ BigInt(byte)) * 0x100000001b3n)
  return value.toString(16).padStart(16, '0')
}
