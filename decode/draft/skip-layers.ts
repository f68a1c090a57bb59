// The paper's draft: the model itself with some sublayers left out (Zhang et al. 2024, section 3.1).

import type { HostArray, Selection, Tensor } from '../../engine/backend.ts'
import { NumericError } from '../../engine/errors.ts'
import { advance } from '../../model/cache.ts'
import type { DraftHead } from '../../model/draft-head.ts'
import type { Llama } from '../../model/llama.ts'
import { planSkip, type SkipSet } from '../../model/skip.ts'
import { embedTokens } from '../verification.ts'
import type { DraftRound, Prefix, Proposal, SingleDraft } from './draft.ts'

export interface SkipLayersOptions {
  /** `false`: verification does anew what the draft has done below the first skipped sublayer. Default `true`. */
  readonly reusePrefix?: boolean | undefined
  /** A head over a part of the vocabulary to draft with; made by `model.draftHead`. Default: the model's own. */
  readonly head?: DraftHead | undefined
}

/**
 * Drafts with `skip` left out. Up to the first skipped sublayer a draft computes exactly what the full model
 * does, and above the layers' entries of committed tokens are the full model's, so both share one cache; what the
 * draft writes above is overwritten by verification.
 */
export function skipLayers(skip: SkipSet, { reusePrefix = true, head }: SkipLayersOptions = {}): SingleDraft {
  const together = (model: Llama, rounds: readonly DraftRound[]): Promise<Proposal[]> =>
    draftTogether(model, rounds, { skip, reusePrefix, head })
  return {
    name: 'skip',
    start(model) {
      const { exits, first } = planSkip(skip, model.config.numHiddenLayers)
      return {
        exit: exits && !head ? first : undefined,
        async propose(round) {
          const [proposal] = await together(model, [round])
          return proposal!
        },
      }
    },
    together,
  }
}

/** Tokens that a policy hears of at once where reading costs: one that is not to go on is cut off with those after it. */
const chunk = 4

/** What one sequence has drafted so far. */
interface Drafted {
  readonly round: DraftRound
  readonly tokens: (number | Tensor)[]
  /** Of the last tokens, what a policy has not heard of. */
  readonly unread: Selection[]
  /** All tokens before the next; empty where no sampler asks for them. */
  readonly history: number[]
  /** Rows as they stand before the first skipped sublayer, `[limit, hiddenSize]`. */
  readonly hidden: Tensor
  /** Rows run: as many as tokens, or one more where the last gave none. */
  rows: number
}

/** One pass a token, of one row for each sequence that drafts on. */
async function draftTogether(
  model: Llama,
  rounds: readonly DraftRound[],
  { skip, reusePrefix, head }: SkipLayersOptions & { readonly skip: SkipSet; readonly reusePrefix: boolean },
): Promise<Proposal[]> {
  const { first, run } = planSkip(skip, model.config.numHiddenLayers)
  const { arena, turn } = rounds[0]!
  const all = rounds.map((round): Drafted => {
    const hidden = arena.tensor([round.limit, model.config.hiddenSize])
    const history = round.sampler ? [...round.sequence.tokens, round.newest] : []
    return { round, tokens: [], unread: [], history, hidden, rows: 0 }
  })
  let open = all
  while (open.length > 0) {
    await turn()
    const newest = open.map(({ round, tokens }) => tokens.at(-1) ?? round.newest)
    const rows = model.rows(
      open.map(({ round }) => ({ sequence: round.sequence, count: 1 })),
      arena,
    )
    const prefix = model.run(embedTokens(model, newest, rows), rows, { to: first })
    for (const [i, drafted] of open.entries()) {
      const at = drafted.rows++
      if (reusePrefix) model.backend.ops.copyRows(drafted.hidden, prefix, { rows: [i], at })
    }
    const logits = model.head(model.run(prefix, rows, { from: first, skip }), rows, head)
    const likeliest = model.select(logits, rows)
    for (const { round } of open) advance(round.sequence, 1)

    const [single] = open
    if (open.length === 1 && single && mayStayUnread(model, single.round, head)) {
      single.tokens.push(likeliest.ids)
      if (single.round.goesOn) single.unread.push(likeliest)
      if (!(await goesOnUnread(model, single))) open = []
      continue
    }
    const wantsLogits = open.some(({ round }) => round.sampler)
    const wanted = [likeliest.ids, likeliest.scores, ...(wantsLogits ? [logits] : [])]
    const [ids, scores, values] = await model.backend.read(wanted)
    open = open.filter(({ round, tokens, history }, i) => {
      const chosen = round.sampler
        ? choose(rowOf(values!, i, logits), {
            history,
            sampler: round.sampler,
            head,
            vocabSize: model.config.vocabSize,
          })
        : { id: head ? head.ids[ids![i]!]! : ids![i]!, logit: scores![2 * i]! }
      if (!chosen) return false
      const { id, logit } = chosen
      tokens.push(id)
      if (round.sampler) history.push(id)
      if (round.goesOn && !round.goesOn(Math.exp(logit - scores![2 * i + 1]!))) return false
      return tokens.length < round.limit
    })
  }
  return all.map(({ tokens, hidden, rows: passes }) => {
    const rows = Math.min(passes, tokens.length + 1)
    const prefix: Prefix | undefined = reusePrefix ? { to: first, hidden, rows } : undefined
    return { tokens, passes, sublayersRun: passes * run, ...(prefix && { prefix }) }
  })
}

/** Whether tokens may go from one pass to the next on the device alone. */
function mayStayUnread({ backend }: Llama, { goesOn, sampler }: DraftRound, head: DraftHead | undefined): boolean {
  return !sampler && (!head || head.identity) && !(goesOn && backend.capabilities.freeReads)
}

/** Whether there is another token to draft. What a policy is to hear of is read when enough has come together. */
async function goesOnUnread({ backend }: Llama, { round, tokens, unread }: Drafted): Promise<boolean> {
  const isFull = tokens.length >= round.limit
  const { goesOn } = round
  if (!goesOn || (unread.length < chunk && !isFull)) return !isFull
  const first = tokens.length - unread.length
  const read = await backend.read(unread.splice(0).flatMap(({ ids, scores }) => [ids, scores]))
  for (let at = first; at < tokens.length; at++) {
    const [ids, scores] = read.splice(0, 2)
    tokens[at] = ids![0]!
    if (goesOn(Math.exp(scores![0]! - scores![1]!))) continue
    tokens.length = at + 1
    return false
  }
  return !isFull
}

function rowOf(values: HostArray, row: number, { shape }: Tensor): HostArray {
  const size = shape[1]!
  return values.subarray(row * size, (row + 1) * size)
}

/**
 * The sampler's choice, and its logit; tokens that the draft's head leaves out are never chosen. Undefined where there is
 * none: what a draft makes of a row may be no numbers, or banned all, where the model has something to say.
 */
function choose(
  values: HostArray,
  options: {
    readonly history: readonly number[]
    readonly sampler: NonNullable<DraftRound['sampler']>
    readonly head: DraftHead | undefined
    readonly vocabSize: number
  },
): { id: number; logit: number } | undefined {
  const { history, sampler, head, vocabSize } = options
  let logits = values
  if (head) {
    logits = new Float32Array(vocabSize).fill(Number.NEGATIVE_INFINITY)
    for (const [i, id] of head.ids.entries()) logits[id] = values[i]!
  }
  try {
    const id = sampler.choose(logits, history)
    return { id, logit: logits[id]! }
  } catch (error) {
    if (error instanceof NumericError) return undefined
    throw error
  }
}
