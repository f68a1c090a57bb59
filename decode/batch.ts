// Generation of many texts at once: their rows share the passes of each round, so the weights are read once for all of them.

import { AbortError, ArgumentError } from '../engine/errors.ts'
import { expectOptions } from '../engine/options.ts'
import { createTurn, type Turn } from '../engine/turn.ts'
import type { Sequence } from '../model/cache.ts'
import type { Model } from '../model/load-model.ts'
import { shareRoom } from './accept/plan.ts'
import { type DraftPlan, planDraft } from './draft-options.ts'
import type { FinishReason, GenerationEvent, GenerationResult } from './events.ts'
import { createLane, type Drafting, type TextLane } from './lane.ts'
import { type GenerateOptions, type LanePlan, planLane, type TextOptions } from './options.ts'
import { decodeRound } from './speculative.ts'
import { createStream, type Run, type Stream } from './stream.ts'

/** A prompt, as `generate` takes it, by itself or with options of its own. */
export type BatchPrompt = string | readonly number[] | ({ readonly prompt: string | readonly number[] } & TextOptions)

export interface BatchOptions extends Omit<GenerateOptions, 'sequence' | 'onRound'> {
  /** Texts to make of each prompt, whose rows they share; what these took is the first one's. Default 1. */
  readonly samples?: number | undefined
  /** Texts in the making at once, at most: when one ends, the next begins. Default 8. */
  readonly width?: number | undefined
}

/** An event of the text `index`: sample `s` of prompt `p` is text `p * samples + s`. */
export type BatchEvent = GenerationEvent & { readonly index: number }

/** Its `result` is those of all texts, in the order of the prompts. */
export type BatchStream = Stream<BatchEvent, readonly GenerationResult[]>

/**
 * Continues many prompts. Each text is what `generate` makes of its prompt alone, with the same options and the seed that its
 * statistics name, bit for bit, where the backend's `rowInvariant` is true. The text `index` has the seed `seed + index`
 * where only `options` give one, and sample s of a prompt with a seed of its own that seed plus s. Lazy, pulled, and ended as
 * `generate` is; a text that was not done is `'aborted'` then. Throws {@link ArgumentError} at the first pull.
 */
export function generateBatch(model: Model, prompts: readonly BatchPrompt[], options: BatchOptions = {}): BatchStream {
  return createStream(() => prepare(model, planBatch(model, prompts, options)))
}

interface BatchPlan {
  /** One for each text. */
  readonly lanes: readonly LanePlan[]
  readonly samples: number
  readonly width: number
  readonly drafting: DraftPlan
  readonly signal: AbortSignal | undefined
}

function planBatch(model: Model, prompts: readonly BatchPrompt[], options: BatchOptions): BatchPlan {
  expectOptions('generateBatch', options)
  const { samples = 1, width = 8, seed, signal } = options
  for (const [name, value] of Object.entries({ samples, width })) {
    if (Number.isSafeInteger(value) && value >= 1) continue
    throw new ArgumentError(`${name} is ${value}, expected a whole number from 1`)
  }
  if (!Array.isArray(prompts) || prompts.length === 0) {
    throw new ArgumentError('the prompts are a list of at least one')
  }
  const drafting = planDraft(model, options)
  const room = shareRoom(model.config)
  const lanes = prompts.flatMap((given: BatchPrompt, i) => {
    const { prompt, ...own } = isBare(given) ? { prompt: given } : given
    return Array.from({ length: samples }, (_, sample) => {
      const first = own.seed ?? (seed === undefined ? undefined : seed + i * samples)
      const text = { ...options, ...own, seed: first === undefined ? undefined : first + sample }
      return planLane(model, prompt, { options: { ...text, sequence: undefined }, drafting, room })
    })
  })
  return { lanes, samples, width, drafting, signal }
}

function isBare(given: BatchPrompt): given is string | readonly number[] {
  return typeof given === 'string' || Array.isArray(given) || ArrayBuffer.isView(given)
}

interface Running {
  readonly index: number
  readonly lane: TextLane
}

function prepare(model: Model, plan: BatchPlan): Run<BatchEvent, readonly GenerationResult[]> {
  const { samples, width } = plan
  const left = new AbortController()
  const results: GenerationResult[] = []
  /** The prompt whose samples are beginning: its rows, cached once. */
  let parent: Sequence | undefined
  let running: Running[] = []
  let finished: readonly GenerationResult[] | undefined
  let lent: Drafting | undefined

  /** Begins a text; the first of a prompt's samples caches its rows for all. */
  async function begin(
    { index, lane }: Running,
    { turn, drafting }: { turn: Turn; drafting: Drafting },
  ): Promise<void> {
    if (samples > 1 && index % samples === 0) {
      parent?.dispose()
      parent = model.createSequence()
    }
    await lane.begin(drafting, { turn, parent })
  }

  function end({ index, lane }: Running, reason: FinishReason): BatchEvent {
    running = running.filter((other) => other.index !== index)
    lane.dispose()
    results[index] = lane.result(reason)
    return { type: 'done', index, result: results[index] }
  }

  async function* rounds(turn: Turn): AsyncGenerator<BatchEvent, void> {
    const drafting = await plan.drafting.start()
    lent = drafting
    const { clock, lengths } = drafting
    let next = 0
    while (next < plan.lanes.length || running.length > 0) {
      while (running.length < width && next < plan.lanes.length) {
        const text = { index: next, lane: createLane(model, plan.lanes[next++]!) }
        running.push(text)
        await begin(text, { turn, drafting })
        if (!text.lane.hasRoom) yield end(text, 'context')
      }
      if (running.length === 0) continue
      const texts = [...running]
      const started = clock()
      const report = await decodeRound(
        model,
        texts.map(({ lane }) => lane),
        { turn, clock },
      )
      const [ms, share] = [clock() - started, 1 / texts.length]
      const kept = texts.map(({ lane }, i) => lane.keep(report.lanes[i]!, { report, ms, share }))
      lengths.observe?.(report)
      for (const [i, text] of texts.entries()) {
        const { events, reason } = kept[i]!
        for await (const event of events(turn)) yield { ...event, index: text.index }
        if (reason) yield end(text, reason)
      }
    }
  }

  function dispose(): void {
    for (const { lane } of running) lane.dispose()
    parent?.dispose()
    lent?.release()
  }

  /** Those that are done, and what there is of the others. */
  function aborted(): readonly GenerationResult[] {
    const open = new Map(running.map(({ index, lane }) => [index, lane]))
    return plan.lanes.map((lanePlan, index) => {
      return results[index] ?? (open.get(index) ?? createLane(model, lanePlan)).result('aborted')
    })
  }

  async function* events(): AsyncGenerator<BatchEvent, void> {
    try {
      try {
        yield* rounds(createTurn(plan.signal, left.signal))
      } catch (error) {
        if (!(error instanceof AbortError)) throw error
      }
      dispose()
      for (const [index, result] of aborted().entries()) {
        if (results[index]) continue
        results[index] = result
        yield { type: 'done', index, result }
      }
      finished = results
    } finally {
      dispose()
    }
  }

  return { events: events(), finished: () => finished, leave: () => left.abort(), aborted, dispose }
}
