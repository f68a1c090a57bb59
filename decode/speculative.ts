// Self-speculative decoding (Zhang et al. 2024, algorithm 2): draft, verify all drafts in one pass, keep what the model
// itself would have chosen. By row invariance the pass gives each row what plain decoding would give it, bit for bit.

import type { Arena, Tensor } from '../engine/backend.ts'
import { ArgumentError } from '../engine/errors.ts'
import { type Sequence, truncate } from '../model/cache.ts'
import type { Llama, Rows } from '../model/llama.ts'
import { acceptEqual } from './accept/equality.ts'
import { checkLogits } from './autoregressive.ts'
import type { DraftRound, Prefix, ProposeSession } from './draft/draft.ts'
import type { Position, Round } from './round.ts'

/** One round: at most `limit` drafts, as long as `goesOn` says, and one pass of the full model. */
export async function speculativeRound(
  model: Llama,
  { sequence, newest, turn, sampler }: Position,
  { draft, limit, goesOn }: { draft: ProposeSession; limit: number; goesOn: DraftRound['goesOn'] },
): Promise<Round> {
  const { length } = sequence
  const arena = model.backend.arena()
  try {
    const started = performance.now()
    const proposal = await draft.propose({ sequence, newest, limit, goesOn, sampler, arena, turn })
    const drafting = performance.now()
    await turn()

    const { tokens, prefix = { to: 0, rows: 0 } } = proposal
    if (tokens.length > limit)
      throw new ArgumentError(`the draft proposed ${tokens.length} tokens, not ${limit} at most`)
    truncate(sequence, length + prefix.rows)
    const hidden = completePrefix(model, sequence, { tokens: [newest, ...tokens], prefix, arena })
    truncate(sequence, length)
    const rows = model.rows([{ sequence, count: tokens.length + 1 }], arena)
    const last = model.run(hidden, rows, { from: prefix.to })
    const logits = model.head(last, rows)
    const { ids, scores } = model.select(logits, rows)

    const unread = tokens.filter((token) => typeof token !== 'number')
    const wanted = [ids, scores, ...(sampler ? [logits] : []), ...unread]
    const [likeliest, confidence, ...read] = await model.backend.read(wanted)
    const values = sampler && read.shift()!
    const drafted = tokens.map((token) => (typeof token === 'number' ? token : read.shift()![0]!))
    const { vocabSize } = model.config
    const before = [...sequence.tokens, newest]
    const chosen = acceptEqual(drafted, (at) => {
      checkLogits(confidence!.subarray(2 * at, 2 * at + 2), length + at) // plain decoding never sees the rows after these
      if (!sampler) return likeliest![at]!
      return sampler.choose(values!.subarray(at * vocabSize, (at + 1) * vocabSize), [
        ...before,
        ...drafted.slice(0, at),
      ])
    })
    const cost = {
      draftPasses: proposal.passes,
      sublayersRun: proposal.sublayersRun + rows.count * model.sublayers - prefix.rows * prefix.to,
      draftMs: drafting - started,
      verifyMs: performance.now() - drafting,
    }
    return { tokens: chosen, drafted, accepted: chosen.length - 1, cost }
  } finally {
    arena.release()
    truncate(sequence, length)
  }
}

/** Hidden rows of all tokens before sublayer `prefix.to`: those that the draft left, and the others through one pass. */
function completePrefix(
  model: Llama,
  sequence: Sequence,
  { tokens, prefix, arena }: { tokens: readonly (number | Tensor)[]; prefix: Partial<Prefix>; arena: Arena },
): Tensor {
  const { to = 0, rows: known = 0, hidden } = prefix
  const missing = tokens.length - known
  const runMissing = (): Tensor => {
    const rows = model.rows([{ sequence, count: missing }], arena)
    return model.run(embedTokens(model, tokens.slice(known), rows), rows, { to })
  }
  if (!hidden) return runMissing()
  const { copyRows } = model.backend.ops
  const out = arena.tensor([tokens.length, model.config.hiddenSize])
  copyRows(out, hidden, { rows: Array.from({ length: known }, (_, i) => i), at: 0 })
  if (missing > 0) copyRows(out, runMissing(), { rows: Array.from({ length: missing }, (_, i) => i), at: known })
  return out
}

/** Embeds ids that are partly on the host and partly still on the device. */
function embedTokens(model: Llama, tokens: readonly (number | Tensor)[], rows: Rows): Tensor {
  const ids = tokens.filter((token) => typeof token === 'number')
  if (ids.length === tokens.length) return model.embed(Int32Array.from(ids), rows)
  const out = rows.arena.tensor([tokens.length, model.config.hiddenSize])
  for (const [at, token] of tokens.entries()) {
    const row = model.embed(typeof token === 'number' ? Int32Array.of(token) : token, rows)
    model.backend.ops.copyRows(out, row, { rows: [0], at })
  }
  return out
}
