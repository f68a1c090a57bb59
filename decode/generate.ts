// Generation, plain or speculative: prefill, then rounds until the text ends, told as events.

import { AbortError } from '../engine/errors.ts'
import { createTurn, type Turn } from '../engine/turn.ts'
import type { Model } from '../model/load-model.ts'
import type { FinishReason, GenerationEvent, GenerationResult } from './events.ts'
import { createLane, type Drafting } from './lane.ts'
import { type GenerateOptions, type GenerationPlan, planGeneration } from './options.ts'
import { decodeRound } from './speculative.ts'
import { createStream, type GenerationStream, type Run } from './stream.ts'

/**
 * Continues a prompt: token ids, or text (an empty text will do where the tokenizer begins each with a token). Special
 * tokens that a text spells out become tokens; of a stranger's text, pass the ids of
 * `encode(text, { specialTokens: 'plain' })`. The same tokens come out whatever the draft is and however long, sampled ones
 * too: those of their seed (accepted by `'rejection'`, sampled texts have the same law instead). Nothing runs until the
 * stream is read or its `result` is asked for; what is wrong with prompt or options is thrown there, as `ArgumentError`.
 * Breaking out of the loop ends the generation: `finishReason` is then `'aborted'`.
 */
export function generate(
  model: Model,
  prompt: string | readonly number[],
  options: GenerateOptions = {},
): GenerationStream {
  return createStream(() => prepare(model, planGeneration(model, prompt, options)))
}

function prepare(
  model: Model,
  { lane: lanePlan, drafting: plan, signal }: GenerationPlan,
): Run<GenerationEvent, GenerationResult> {
  const lane = createLane(model, lanePlan)
  const left = new AbortController()
  let finished: GenerationResult | undefined
  let lent: Drafting | undefined

  function dispose(): void {
    lane.dispose()
    lent?.release()
  }

  async function* rounds(turn: Turn): AsyncGenerator<GenerationEvent, FinishReason> {
    const drafting = await plan.start()
    lent = drafting
    const { clock, lengths } = drafting
    await lane.begin(drafting, { turn })
    if (!lane.hasRoom) return 'context'
    while (true) {
      const started = clock()
      const report = await decodeRound(model, [lane], { turn, clock })
      const kept = lane.keep(report.lanes[0]!, { report, ms: clock() - started, share: 1 })
      lengths.observe?.(report)
      yield* kept.events(turn)
      if (kept.reason) return kept.reason
    }
  }

  async function* events(): AsyncGenerator<GenerationEvent, void> {
    try {
      let reason: FinishReason
      try {
        reason = yield* rounds(createTurn(signal, left.signal))
      } catch (error) {
        if (!(error instanceof AbortError)) throw error
        reason = 'aborted'
      }
      dispose() // whoever awaits the result may use the sequence at once
      finished = lane.result(reason)
      yield { type: 'done', result: finished }
    } finally {
      dispose()
    }
  }

  return {
    events: events(),
    finished: () => finished,
    leave: () => left.abort(),
    aborted: () => lane.result('aborted'),
    dispose,
  }
}
