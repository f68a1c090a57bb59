// Generation, plain or speculative: prefill, then rounds until the text ends, told as events.

import { AbortError, ArgumentError } from '../engine/errors.ts'
import { createTurn, type Turn } from '../engine/turn.ts'
import { commit, reusePrefix, type Sequence, truncate } from '../model/cache.ts'
import type { Model } from '../model/load-model.ts'
import { plainRound } from './autoregressive.ts'
import { nextLimit } from './draft-length/draft-length.ts'
import type { FinishReason, GenerationEvent, GenerationResult } from './events.ts'
import { type GenerateOptions, type GenerationPlan, planGeneration } from './options.ts'
import type { Round } from './round.ts'
import { speculativeRound } from './speculative.ts'
import { recordStats } from './stats.ts'
import { stopsAt, watchStopStrings } from './stop.ts'
import { createStream, type GenerationRun, type GenerationStream } from './stream.ts'

/**
 * Continues a prompt: token ids, or text (an empty text will do where the tokenizer begins each with a token). Special
 * tokens that a text spells out become tokens; of a stranger's text, pass the ids of
 * `encode(text, { specialTokens: 'plain' })`. The same tokens come out whatever the draft is and however long, sampled ones
 * too: those of their seed. Nothing runs until the stream is read or its `result` is asked
 * for; what is wrong with prompt or options is thrown there, as {@link ArgumentError}. Breaking out of the loop ends the
 * generation: `finishReason` is then `'aborted'`.
 */
export function generate(
  model: Model,
  prompt: string | readonly number[],
  options: GenerateOptions = {},
): GenerationStream {
  return createStream(() => prepare(model, planGeneration(model, prompt, options)))
}

/** Sequences that a generation is working on. */
const busy = new WeakSet<Sequence>()

type TokenEvent = Extract<GenerationEvent, { type: 'token' }>

function prepare(model: Model, plan: GenerationPlan): GenerationRun {
  const { ids, draft, draftLength, sampler } = plan
  const tokens: number[] = []
  const output = textOutput(model, plan)
  let text = ''
  let sequence: Sequence | undefined
  const left = new AbortController()
  const stats = recordStats({
    draft: draft?.name ?? 'none',
    draftLength: draft && draftLength.name,
    skip: plan.skip,
    seed: plan.seed,
    promptTokens: ids.length,
  })
  const rules = {
    eosTokenIds: plan.eosTokenIds,
    maxNewTokens: plan.maxNewTokens,
    room: model.config.maxPositionEmbeddings - ids.length,
  }
  const most = Math.min(rules.maxNewTokens, rules.room)

  function result(finishReason: FinishReason): GenerationResult {
    return {
      tokens: [...tokens],
      text,
      finishReason,
      stats: stats.summary({ newTokens: tokens.length, sampleMs: sampler?.milliseconds ?? 0 }),
    }
  }

  function claim(): Sequence {
    if (plan.sequence && busy.has(plan.sequence)) {
      throw new ArgumentError('another generation is working on this sequence; let it end first')
    }
    sequence = plan.sequence ?? model.createSequence()
    busy.add(sequence)
    return sequence
  }

  function dispose(): void {
    if (!sequence) return
    busy.delete(sequence)
    if (sequence !== plan.sequence) sequence.dispose()
    else truncate(sequence, Math.min(sequence.length, ids.length + tokens.length - 1))
    sequence = undefined
  }

  /** The tokens of a round up to the one that ends the text, and why it ends there. */
  function keep({ tokens: chosen, accepted }: Round): { events: TokenEvent[]; reason: FinishReason | undefined } {
    const events: TokenEvent[] = []
    for (const [i, id] of chosen.entries()) {
      const index = tokens.length + i
      const shown = output.push(id)
      const reason = shown.stopped ? 'stop' : stopsAt(rules, id, index + 1)
      const piece = reason && reason !== 'stop' ? shown.text + output.flush() : shown.text
      events.push({ type: 'token', id, text: piece, index, source: i < accepted ? 'draft' : 'model' })
      if (reason) return { events, reason }
    }
    return { events, reason: undefined }
  }

  async function* rounds(current: Sequence, turn: Turn): AsyncGenerator<GenerationEvent, FinishReason> {
    if (most === 0) return 'context'
    const session = draft && 'start' in draft ? draft.start(model) : undefined
    const drafting = session && 'propose' in session ? session : undefined
    const lengths = draftLength.start({ drafts: draft ? [draft.name] : [], freeReads: false })

    const started = performance.now()
    const work = { passes: 0, reused: reusePrefix(current, ids) }
    try {
      await prefill(model, current, { ids, turn, onPass: () => work.passes++ })
    } finally {
      stats.prefill({ ...work, ms: performance.now() - started })
    }

    let newest = ids.at(-1)!
    while (true) {
      const start = performance.now()
      const asked = drafting ? nextLimit(draftLength, lengths, { draft: draft!.name, lanes: 1 }) : { most: 0 }
      const limit = Math.min(asked.most, most - tokens.length - 1)
      const position = { sequence: current, newest, turn, sampler }
      const round =
        drafting && limit > 0
          ? await speculativeRound(model, position, { draft: drafting, limit, goesOn: asked.goesOn })
          : await plainRound(model, position)
      const { events, reason } = keep(round)
      const kept = events.map(({ id }) => id)
      commit(current, [newest, ...kept.slice(0, -1)])
      newest = kept.at(-1)!
      stats.round(round, performance.now() - start)

      const { drafted, accepted } = round
      if (drafted.length > 0) yield { type: 'draft', tokens: drafted }
      if (accepted > 0) yield { type: 'accept', tokens: drafted.slice(0, accepted) }
      if (accepted < drafted.length) {
        yield { type: 'reject', token: drafted[accepted]!, instead: round.tokens[accepted]! }
      }
      for (const event of events) {
        await turn() // who aborts at a token gets no other, even if the round has more
        tokens.push(event.id)
        text += event.text
        yield event
      }
      if (reason) return reason
    }
  }

  async function* events(): AsyncGenerator<GenerationEvent, void> {
    try {
      let reason: FinishReason
      try {
        reason = yield* rounds(claim(), createTurn(plan.signal, left.signal))
      } catch (error) {
        if (!(error instanceof AbortError)) throw error
        reason = 'aborted'
      }
      dispose() // whoever awaits the result may use the sequence at once
      yield { type: 'done', result: result(reason) }
    } finally {
      dispose()
    }
  }

  return { events: events(), leave: () => left.abort(), aborted: () => result('aborted'), dispose }
}

/** Caches the rows of the prompt's tokens from the sequence's length on, but for the newest, in passes that suit the backend. */
async function prefill(
  model: Model,
  sequence: Sequence,
  { ids, turn, onPass }: { ids: readonly number[]; turn: Turn; onPass: () => void },
): Promise<void> {
  const { backend } = model
  const { passRows } = backend.capabilities
  for (let start = sequence.length; start < ids.length - 1; start += passRows) {
    await turn()
    const chunk = ids.slice(start, Math.min(start + passRows, ids.length - 1))
    const arena = backend.arena()
    try {
      const rows = model.rows([{ sequence, count: chunk.length }], arena)
      model.run(model.embed(Int32Array.from(chunk), rows), rows)
      await backend.read([])
      commit(sequence, chunk)
    } finally {
      arena.release()
    }
    onPass()
  }
}

/** From token ids to text that can be shown, with what may still change held back. */
function textOutput(
  model: Model,
  { ids, stop }: GenerationPlan,
): { push(id: number): { text: string; stopped: boolean }; flush(): string } {
  if (!model.hasTokenizer) return { push: () => ({ text: '', stopped: false }), flush: () => '' }
  const decoder = model.tokenizer.textStream({ after: ids })
  const stops = watchStopStrings(stop)
  return {
    push: (id) => stops.push(decoder.push(id)),
    flush: () => stops.push(decoder.flush()).text + stops.flush(),
  }
}
