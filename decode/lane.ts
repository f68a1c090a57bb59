// One text in the making: its prompt and tokens, what it drafts with, where it ends, and what it tells of itself.

import { ArgumentError } from '../engine/errors.ts'
import type { Turn } from '../engine/turn.ts'
import { commit, expectLive, reusePrefix, type Sequence, truncate } from '../model/cache.ts'
import type { Model } from '../model/load-model.ts'
import type { Acceptance } from './accept/acceptance.ts'
import { startDraft } from './draft/checked.ts'
import type { DraftSession, Guess, SingleDraft } from './draft/draft.ts'
import { guessScores } from './draft/guess-scores.ts'
import { type DraftLength, type DraftLengthSession, nextLimit } from './draft-length/draft-length.ts'
import type { DraftAsked } from './drafting.ts'
import type { FinishReason, GenerationEvent, GenerationResult } from './events.ts'
import type { LanePlan } from './options.ts'
import { prefill } from './prefill.ts'
import type { Lane, LaneRound, Round } from './speculative.ts'
import { recordStats } from './stats.ts'
import { stopsAt } from './stop.ts'
import { textOutput } from './text-output.ts'

export interface TextLane extends Lane {
  /**
   * Takes its sequence, starts its drafts, and caches the rows of the prompt that are not cached yet, but for the newest.
   * Its sequence continues `parent`, where one is given. Throws {@link ArgumentError} for a sequence in use,
   * `DisposedError` for one that was disposed, and `AbortError`.
   */
  begin(drafting: Drafting, options: { readonly turn: Turn; readonly parent?: Sequence | undefined }): Promise<void>
  /** Whether the context holds a new token at all. */
  readonly hasRoom: boolean
  /** Keeps what a round chose, up to the token that ends the text. `share` of its time is this text's. */
  keep(chosen: LaneRound, round: { readonly report: Round; readonly ms: number; readonly share: number }): Kept
  /** The result so far: only what was told counts. */
  result(finishReason: FinishReason): GenerationResult
  /** Frees what the text holds. May be called more than once. */
  dispose(): void
}

export interface Kept {
  /** Why the text ends with this round; undefined when it goes on. */
  readonly reason: FinishReason | undefined
  /** What there is to tell. Who aborts at a token gets no other, even if the round has more. */
  events(turn: Turn): AsyncGenerator<GenerationEvent, void>
}

/** What the texts of a generation, or of a batch, draft with. */
export interface Drafting {
  readonly drafts: readonly SingleDraft[]
  readonly policy: DraftLength
  readonly lengths: DraftLengthSession
  readonly clock: () => number
  /** Gives back what the drafts were lent. May be called more than once. */
  release(): void
}

/** A text that has begun. */
interface Begun extends Drafting {
  readonly sequence: Sequence
  readonly sources: readonly { readonly draft: SingleDraft; readonly session: DraftSession }[]
  readonly disposed?: true
}

/** Sequences that a generation is working on. */
const busy = new WeakSet<Sequence>()

/** Tokens of a guess that are asked for at most, also where a policy allows more. */
const longestGuess = 64

/** Tokens of a guess that are scored where it is not verified: a score comes when as many have come. */
const scoredTokens = 8

type TokenEvent = Extract<GenerationEvent, { type: 'token' }>

/** Nothing is taken or run before it begins. */
export function createLane(model: Model, plan: LanePlan): TextLane {
  const { ids, rules, onRound } = plan
  const history = [...ids]
  const tokens: number[] = []
  const output = textOutput(model, plan)
  let text = ''
  const most = Math.min(rules.maxNewTokens, rules.room)
  const stats = recordStats({ ...plan.about, seed: plan.seed, promptTokens: ids.length })
  const scores = guessScores()
  let begun: Begun | undefined
  let acceptance: Acceptance | undefined
  let guesses: readonly (Guess | undefined)[] = []

  function* asked(lanes: number): Generator<DraftAsked, void> {
    const { sources, policy, lengths } = begun!
    const room = most - (history.length - ids.length) - 1
    guesses = sources.map(({ session }) => {
      return 'guess' in session && room > 0 ? session.guess(history, Math.min(room, longestGuess)) : undefined
    })
    if (room < 1) return
    for (const [i, { draft, session }] of sources.entries()) {
      const guess = guesses[i]
      if (guess?.tokens.length === 0) continue
      const { kind, chance, tokens: guessed } = guess ?? {}
      const limit = nextLimit(policy, lengths, { draft: draft.name, kind, chance, guessed: guessed?.length, lanes })
      const from = 'propose' in session ? session : guessed!
      if (limit.most > 0) yield { draft, kind, limit: { ...limit, most: Math.min(limit.most, room) }, from }
    }
  }

  /** Scores the guesses that were not verified against what came. */
  function scoreGuesses(
    { draft: verified }: LaneRound,
    { kept, ended }: { kept: readonly number[]; ended: boolean },
  ): void {
    const { sources, lengths } = begun!
    if (!lengths.observeGuess) return
    for (const [i, guess] of guesses.entries()) {
      const draft = sources[i]!.draft.name
      if (!guess || draft === verified) continue
      scores.expect({ ...guess, draft, tokens: guess.tokens.slice(0, scoredTokens) })
    }
    const due = scores.commit(kept)
    for (const report of ended ? [...due, ...scores.finish()] : due) lengths.observeGuess(report)
  }

  /** The tokens of a round up to the one that ends the text, and why it ends there. */
  function upToEnd({ tokens: chosen, accepted }: LaneRound): { told: TokenEvent[]; reason: FinishReason | undefined } {
    const told: TokenEvent[] = []
    for (const [i, id] of chosen.entries()) {
      const index = history.length - ids.length + i
      const shown = output.push(id)
      const reason = shown.stopped ? 'stop' : stopsAt(rules, id, index + 1)
      const piece = reason && reason !== 'stop' ? shown.text + output.flush() : shown.text
      told.push({ type: 'token', id, text: piece, index, source: i < accepted ? 'draft' : 'model' })
      if (reason) return { told, reason }
    }
    return { told, reason: undefined }
  }

  return {
    get sequence() {
      return begun!.sequence
    },
    history,
    get acceptance() {
      return acceptance
    },
    drafts: asked,
    hasRoom: most > 0,

    // A pass that judges more rows is the same pass only by row invariance, and `rejection` draws what it is asked.
    mayShowExit: model.backend.capabilities.rowInvariant === true && acceptance?.name !== 'rejection',

    exitToShow() {
      const { sources, lengths } = begun!
      if (!lengths.wantsExit) return undefined
      for (const { draft, session } of sources) {
        const exit = 'propose' in session ? session.exit : undefined
        if (exit !== undefined && lengths.wantsExit(draft.name)) return { draft: draft.name, exit }
      }
      return undefined
    },

    async begin(drafting, { turn, parent }) {
      const { drafts, clock } = drafting
      const started = clock()
      const work = { passes: 0, reused: parent?.length ?? 0 }
      const rows = { ids, turn, onPass: () => work.passes++ }
      try {
        if (parent && most > 0) await prefill(model, parent, rows)
        const sequence = claim(model, plan.sequence, parent)
        begun = { ...drafting, sequence, sources: [] }
        begun = { ...begun, sources: drafts.map((draft) => ({ draft, session: startDraft(draft, model) })) }
        if (most === 0) return
        acceptance = plan.accepting?.()
        const reused = reusePrefix(sequence, ids)
        if (!parent) work.reused = reused
        await prefill(model, sequence, rows)
      } finally {
        stats.prefill({ ...work, ms: clock() - started })
      }
    },

    keep(chosen, { report, ms, share }) {
      const position = history.length
      const { told, reason } = upToEnd(chosen)
      const kept = told.map(({ id }) => id)
      commit(begun!.sequence, [history.at(-1)!, ...kept.slice(0, -1)])
      scoreGuesses(chosen, { kept, ended: reason !== undefined })
      if (chosen.exit) {
        const { draft, agrees } = chosen.exit
        begun!.lengths.observeGuess?.({ draft, limit: 1, drafted: 1, accepted: agrees ? 1 : 0 })
      }
      for (const token of kept) history.push(token)
      const trace = { chosen, report, ms, share, position, tokens: kept, sampledMs: acceptance?.milliseconds ?? 0 }
      const traced = stats.round(trace)
      onRound?.(traced)
      return {
        reason,
        async *events(turn) {
          const { draftedTokens: drafted, accepted } = chosen
          if (drafted.length > 0) yield { type: 'draft', tokens: drafted }
          if (accepted > 0) yield { type: 'accept', tokens: drafted.slice(0, accepted) }
          if (accepted < drafted.length) {
            yield { type: 'reject', token: drafted[accepted]!, instead: chosen.tokens[accepted]! }
          }
          for (const event of told) {
            await turn()
            tokens.push(event.id)
            text += event.text
            yield event
          }
        },
      }
    },

    result(finishReason) {
      const predicted = begun?.lengths.predictedSpeedup?.()
      return {
        tokens: [...tokens],
        text,
        finishReason,
        stats: stats.summary({ newTokens: tokens.length, predicted }),
      }
    },

    dispose() {
      if (!begun || begun.disposed) return
      const { sequence } = begun
      begun = { ...begun, disposed: true }
      acceptance = undefined
      busy.delete(sequence)
      if (sequence !== plan.sequence) sequence.dispose()
      else truncate(sequence, Math.min(sequence.length, ids.length + tokens.length - 1))
    },
  }
}

/**
 * The sequence that a text is written to: the caller's, or one of its own. Throws {@link ArgumentError} for one in use, and
 * `DisposedError` for one that was disposed.
 */
function claim(model: Model, given: Sequence | undefined, parent: Sequence | undefined): Sequence {
  if (given) expectLive(given)
  if (given && busy.has(given)) {
    throw new ArgumentError('another generation is working on this sequence; let it end first')
  }
  const sequence = given ?? model.createSequence({ parent })
  busy.add(sequence)
  return sequence
}
