// The first half of a round: the drafts of each sequence are asked in their order, until one has something.

import type { Arena } from '../engine/backend.ts'
import { ArgumentError } from '../engine/errors.ts'
import type { Turn } from '../engine/turn.ts'
import { truncate } from '../model/cache.ts'
import type { Llama } from '../model/llama.ts'
import { checkedProposal } from './draft/checked.ts'
import type { DraftRound, Proposal, ProposeSession, SingleDraft } from './draft/draft.ts'
import type { DraftLimit } from './draft-length/draft-length.ts'
import type { Lane } from './speculative.ts'

/** A draft to ask: it has guessed already, or it is to propose at most `limit.most` tokens. */
export interface DraftAsked {
  readonly draft: SingleDraft
  readonly kind?: string | undefined
  readonly limit: DraftLimit
  readonly from: readonly number[] | ProposeSession
}

/** What a sequence drafted, and what with. */
export interface LaneDraft {
  readonly draft: string | undefined
  readonly kind: string | undefined
  readonly limit: number
  readonly confidences: readonly number[] | undefined
  readonly proposal: Proposal
}

const nothing: Proposal = { tokens: [], passes: 0, sublayersRun: 0 }

/** A draft that runs the model for one sequence. */
interface Proposing {
  readonly at: number
  readonly asked: DraftAsked
  readonly session: ProposeSession
  readonly round: DraftRound
}

/** Drafts for every lane, those that use one draft together. Sequences may be left ahead of what is committed. */
export async function draftLanes(
  model: Llama,
  lanes: readonly Lane[],
  memory: { readonly arena: Arena; readonly turn: Turn },
): Promise<LaneDraft[]> {
  const asking = lanes.map((lane) => lane.drafts(lanes.length))
  const empty = { draft: undefined, kind: undefined, limit: 0, confidences: undefined, proposal: nothing }
  const drafts = lanes.map((): LaneDraft => empty)
  let open = [...lanes.keys()]
  while (open.length > 0) {
    const groups = new Map<SingleDraft, Proposing[]>()
    for (const at of open) {
      const next = asking[at]!.next()
      if (next.done) continue
      const asked = next.value
      const { draft, from, limit, kind } = asked
      if (!('propose' in from)) {
        const proposal = { ...workOf(drafts[at]!), tokens: from.slice(0, limit.most) }
        drafts[at] = { draft: draft.name, kind, limit: limit.most, confidences: undefined, proposal }
        continue
      }
      const { sequence, history, acceptance } = lanes[at]!
      truncate(sequence, history.length - 1)
      const { most, goesOn } = limit
      const round = { sequence, newest: history.at(-1)!, limit: most, goesOn, sampler: acceptance?.drafting, ...memory }
      groups.set(draft, [...(groups.get(draft) ?? []), { at, asked, session: from, round }])
    }
    open = []
    for (const [draft, group] of groups) {
      for (const [at, drafted] of await proposeAll(model, draft, group)) {
        const before = workOf(drafts[at]!)
        const { proposal } = drafted
        const sum = {
          passes: before.passes + proposal.passes,
          sublayersRun: before.sublayersRun + proposal.sublayersRun,
        }
        drafts[at] = { ...drafted, proposal: { ...proposal, ...sum } }
        if (proposal.tokens.length === 0) open.push(at)
      }
    }
  }
  return drafts
}

/** What drafts that had nothing have run for it. */
function workOf({ proposal: { passes, sublayersRun } }: LaneDraft): Pick<Proposal, 'passes' | 'sublayersRun'> {
  return { passes, sublayersRun }
}

/** What each of a group drafts, by its place among the lanes. */
async function proposeAll(
  model: Llama,
  draft: SingleDraft,
  group: readonly Proposing[],
): Promise<Map<number, LaneDraft>> {
  const confidences = group.map((): number[] => [])
  const rounds = group.map(({ round }, i): DraftRound => {
    const { goesOn } = round
    if (!goesOn) return round
    const heard = (given: number): boolean => {
      const confidence = checkedConfidence(draft, given)
      confidences[i]!.push(confidence)
      return goesOn(confidence)
    }
    return { ...round, goesOn: heard }
  })
  const together = await draft.together?.(model, rounds)
  if (draft.together && together?.length !== group.length) {
    const count = together?.length ?? 'no'
    throw new ArgumentError(`the draft "${draft.name}" proposed for ${count} sequences, not for ${group.length}`)
  }
  const drafted = new Map<number, LaneDraft>()
  for (const [i, { at, asked, session, round }] of group.entries()) {
    const given = together ? together[i] : await session.propose(rounds[i]!)
    const proposal = checkedProposal(given, { draft: draft.name, limit: round.limit, model })
    drafted.set(at, {
      draft: draft.name,
      kind: asked.kind,
      limit: round.limit,
      confidences: round.goesOn && confidences[i],
      proposal,
    })
  }
  return drafted
}

/**
 * What a policy hears, 0 to 1: rounding may lift it a little above 1, and where the draft's logits are not numbers it is sure of
 * nothing, for which the model's own text need not end. Throws {@link ArgumentError} for what is no number at all.
 */
function checkedConfidence({ name }: SingleDraft, confidence: unknown): number {
  if (typeof confidence !== 'number') {
    throw new ArgumentError(`the draft "${name}" told goesOn ${String(confidence)}, expected a probability, 0 to 1`)
  }
  return Number.isNaN(confidence) ? 0 : Math.min(1, Math.max(0, confidence))
}
