// One round of decoding (Zhang et al. 2024, algorithm 2): draft, verify all drafts in one pass, keep what the model itself
// would have chosen. By row invariance the pass gives each row what plain decoding would give it, bit for bit. A round that
// drafts nothing is a step of plain decoding. Sequences of a batch share the passes of a round.

import { NumericError } from '../engine/errors.ts'
import type { Turn } from '../engine/turn.ts'
import { type Sequence, truncate } from '../model/cache.ts'
import type { Llama } from '../model/llama.ts'
import type { Acceptance } from './accept/acceptance.ts'
import { acceptEqual } from './accept/equality.ts'
import type { LaneReport, RoundReport } from './draft-length/draft-length.ts'
import { type DraftAsked, draftLanes } from './drafting.ts'
import { type EarlyExit, verify } from './verification.ts'

/** One sequence in a round: every token before `newest` is cached. */
export interface Lane {
  readonly sequence: Sequence
  /** All tokens so far, the newest last. */
  readonly history: readonly number[]
  /** How drafts are accepted, and tokens chosen; without it they are the most likely, which the backend finds. */
  readonly acceptance: Acceptance | undefined
  /** The drafts to ask, one after the other until one has something. */
  drafts(lanes: number): Iterator<DraftAsked, void>
  /** Whether a plain step may show an early exit for it. */
  readonly mayShowExit: boolean
  /** Asked of the first of the lanes, where nothing was drafted and all may show it: the early exit to show, if any. */
  exitToShow(): ExitShown | undefined
}

/** An early exit that a plain step shows: the draft, and the sublayer before which it leaves the model. */
export interface ExitShown {
  readonly draft: string
  readonly exit: number
}

/** What a round chose for one sequence. Nothing is committed yet: fewer tokens may be kept. */
export interface LaneRound extends LaneReport {
  /** At least one: the accepted drafts and the model's own next token. */
  readonly tokens: readonly number[]
  readonly draftedTokens: readonly number[]
  /** Whether the early exit that the step showed would have proposed the token. */
  readonly exit?: { readonly draft: string; readonly agrees: boolean } | undefined
  readonly draftPasses: number
  /** Sublayers run, each counted once for every row. */
  readonly sublayersRun: number
}

export interface Round extends RoundReport {
  readonly lanes: readonly LaneRound[]
}

export interface RoundOptions {
  readonly turn: Turn
  /** Milliseconds. */
  readonly clock: () => number
}

/** One round of these sequences. */
export async function decodeRound(model: Llama, lanes: readonly Lane[], { turn, clock }: RoundOptions): Promise<Round> {
  const lengths = lanes.map(({ sequence }) => sequence.length)
  const arena = model.backend.arena()
  try {
    const started = clock()
    await turn()
    const drafts = await draftLanes(model, lanes, { arena, turn })
    const drafting = clock()
    await turn()
    for (const [i, { sequence }] of lanes.entries()) truncate(sequence, lengths[i]!)
    const shows =
      drafts.every(({ proposal }) => proposal.tokens.length === 0) && lanes.every((lane) => lane.mayShowExit)
    const shown = shows ? lanes[0]!.exitToShow() : undefined
    const rows = await verify(
      model,
      lanes.map(({ sequence, history, acceptance }, i) => {
        const { tokens, prefix } = drafts[i]!.proposal
        return { sequence, tokens: [history.at(-1)!, ...tokens], prefix, wantsLogits: acceptance !== undefined }
      }),
      { arena, exit: shown?.exit },
    )
    const reports = lanes.map(({ history, acceptance }, i): LaneRound => {
      const { draft, kind, limit, confidences, proposal } = drafts[i]!
      const { tokens: verified, likeliest, logits, early, sublayersRun } = rows[i]!
      const drafted = verified.slice(1)
      const tokens = acceptance ? acceptance.accept({ drafted, history, logits }) : acceptEqual(drafted, likeliest)
      return {
        draft: drafted.length > 0 ? draft : undefined,
        kind,
        limit,
        drafted: drafted.length,
        draftedTokens: drafted,
        accepted: tokens.length - 1,
        confidences,
        tokens,
        exit: shown && { draft: shown.draft, agrees: tokens[0] === exitChoice(early!, lanes[i]!) },
        draftPasses: proposal.passes,
        sublayersRun: proposal.sublayersRun + sublayersRun,
      }
    })
    const ended = clock()
    return {
      lanes: reports,
      ms: ended - started,
      draftPasses: Math.max(...reports.map(({ draftPasses }) => draftPasses)),
      draftMs: drafting - started,
      showedExit: shown !== undefined,
      rows: reports.reduce((sum, { drafted }) => sum + drafted + 1, 0),
      verifyMs: ended - drafting,
    }
  } finally {
    arena.release()
    for (const [i, { sequence }] of lanes.entries()) truncate(sequence, lengths[i]!)
  }
}

/** What an early exit would have proposed after the newest token; nothing where what it says is not numbers. */
function exitChoice({ likeliest, logits }: EarlyExit, { history, acceptance }: Lane): number | undefined {
  if (!acceptance?.drafting) return likeliest
  try {
    return acceptance.drafting.choose(logits(), history)
  } catch (error) {
    if (error instanceof NumericError) return undefined // plain decoding never asks for these
    throw error
  }
}
