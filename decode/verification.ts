// The second half of a round: one pass of the full model over the newest token of each sequence and what was drafted after it.

import type { Arena, Tensor } from '../engine/backend.ts'
import { NumericError } from '../engine/errors.ts'
import { advance, type Sequence, truncate } from '../model/cache.ts'
import type { Llama, Rows } from '../model/llama.ts'
import type { Prefix } from './draft/draft.ts'

/** The rows of one sequence: its newest token, then the drafted ones. Every token before them is cached. */
export interface VerifiedRows {
  readonly sequence: Sequence
  /** Ids, or `i32 [1]` tensors that nobody has read yet. */
  readonly tokens: readonly (number | Tensor)[]
  /** What drafting has left of them. */
  readonly prefix: Prefix | undefined
  readonly wantsLogits: boolean
}

/** What the model says after each of these rows. */
export interface Verification {
  readonly tokens: readonly number[]
  /**
   * The most likely token after row `at`. Throws {@link NumericError} where the row's logits hold NaN, or nothing but minus
   * infinity. Plain decoding never sees the rows after a draft that is wrong, so rows are judged when they are asked for.
   */
  likeliest(at: number): number
  /** The logits after row `at`, `[vocabSize]`, where they were wanted. Throws as `likeliest` does. */
  logits(at: number): Float32Array
  /** What an early exit says after the first row, where one was asked for. */
  readonly early: EarlyExit | undefined
  readonly sublayersRun: number
}

export interface EarlyExit {
  /** Undefined where its logits are not numbers. */
  readonly likeliest: number | undefined
  /** `[vocabSize]`, where logits were wanted. */
  logits(): Float32Array
}

/**
 * Runs these rows, and reads what follows each. Where an `exit` is given, each sequence has one row, and the head says as well
 * what it makes of that row before the sublayer `exit`. Sequences stay as long as they are.
 */
export async function verify(
  model: Llama,
  lanes: readonly VerifiedRows[],
  { arena, exit }: { readonly arena: Arena; readonly exit?: number | undefined },
): Promise<Verification[]> {
  const from = Math.max(...lanes.map(({ prefix }) => prefix?.to ?? 0))
  const hidden = runPrefix(model, lanes, { to: from, arena })
  const rows = rowsOf(model, lanes, arena)
  const { out, judged } =
    exit === undefined
      ? { out: model.run(hidden, rows, { from }), judged: rows }
      : runPast(model, hidden, { rows, exit })
  const logits = model.head(out, judged)
  const { ids, scores } = model.select(logits, judged)

  const unread = lanes.flatMap(({ tokens }) => tokens.filter((token) => typeof token !== 'number'))
  const wantsLogits = lanes.some((lane) => lane.wantsLogits)
  const read = await model.backend.read([ids, scores, ...(wantsLogits ? [logits] : []), ...unread])
  const [likeliest, confidence] = read.splice(0, 2)
  const values = wantsLogits ? read.shift()! : undefined
  const { vocabSize } = model.config
  const row = (at: number): Float32Array => values!.subarray(at * vocabSize, (at + 1) * vocabSize) as Float32Array // logits are f32
  let first = 0
  return lanes.map(({ sequence, tokens, prefix }, i) => {
    const start = first
    first += tokens.length
    const isNumbers = (at: number): boolean => Number.isFinite(confidence![2 * at + 1])
    const check = (at: number): void => {
      if (isNumbers(start + at)) return
      const where = `after position ${sequence.length + at}`
      throw new NumericError(`the logits ${where} are not numbers; are the weights damaged?`)
    }
    const earlyAt = (at: number): EarlyExit => {
      return { likeliest: isNumbers(at) ? likeliest![at] : undefined, logits: () => row(at) }
    }
    return {
      tokens: tokens.map((token) => (typeof token === 'number' ? token : read.shift()![0]!)),
      likeliest(at) {
        check(at)
        return likeliest![start + at]!
      },
      logits(at) {
        check(at)
        return row(start + at)
      },
      early: exit === undefined ? undefined : earlyAt(rows.count + i),
      sublayersRun: tokens.length * model.sublayers - (prefix ? prefix.rows * prefix.to : 0),
    }
  })
}

/** The rows after all sublayers, and below them the same as they stand before sublayer `exit`. */
function runPast(
  model: Llama,
  hidden: Tensor,
  { rows, exit }: { rows: Rows; exit: number },
): { out: Tensor; judged: Rows } {
  const { copyRows } = model.backend.ops
  const early = model.run(hidden, rows, { to: exit })
  const late = model.run(early, rows, { from: exit })
  const judged = { ...rows, count: 2 * rows.count }
  const out = rows.arena.tensor([judged.count, model.config.hiddenSize])
  for (const [i, x] of [late, early].entries()) copyRows(out, x, { rows: upTo(rows.count), at: i * rows.count })
  return { out, judged }
}

function rowsOf(model: Llama, lanes: readonly VerifiedRows[], arena: Arena): Rows {
  return model.rows(
    lanes.map(({ sequence, tokens }) => ({ sequence, count: tokens.length })),
    arena,
  )
}

/** The rows of all lanes as they stand before sublayer `to`, `[rows, hiddenSize]`: those that drafts left, and the others. */
function runPrefix(model: Llama, lanes: readonly VerifiedRows[], { to, arena }: { to: number; arena: Arena }): Tensor {
  if (to === 0)
    return embedTokens(
      model,
      lanes.flatMap(({ tokens }) => tokens),
      rowsOf(model, lanes, arena),
    )
  const { copyRows } = model.backend.ops
  const starts = lanes.map((_, i) => lanes.slice(0, i).reduce((sum, { tokens }) => sum + tokens.length, 0))
  const count = lanes.reduce((sum, { tokens }) => sum + tokens.length, 0)
  const out = arena.tensor([count, model.config.hiddenSize])
  for (const [i, { sequence, prefix }] of lanes.entries()) {
    if (!prefix || prefix.rows === 0) continue
    const rows = model.rows([{ sequence, count: prefix.rows }], arena)
    copyRows(out, liftPrefix(model, prefix, { to, rows }), { rows: upTo(prefix.rows), at: starts[i]! })
    advance(sequence, prefix.rows)
  }
  const missing = lanes.map((lane) => ({ ...lane, tokens: lane.tokens.slice(lane.prefix?.rows ?? 0) }))
  const some = missing.filter(({ tokens }) => tokens.length > 0)
  if (some.length > 0) {
    const rows = rowsOf(model, some, arena)
    const embedded = embedTokens(
      model,
      some.flatMap(({ tokens }) => tokens),
      rows,
    )
    const run = model.run(embedded, rows, { to })
    let next = 0
    for (const [i, { tokens, prefix }] of missing.entries()) {
      if (tokens.length === 0) continue
      copyRows(out, run, { rows: upTo(tokens.length).map((row) => next + row), at: starts[i]! + (prefix?.rows ?? 0) })
      next += tokens.length
    }
  }
  for (const { sequence, prefix } of lanes) if (prefix) truncate(sequence, sequence.length - prefix.rows)
  return out
}

/** The rows of a prefix as they stand before a later sublayer: another draft of the round has skipped less. */
function liftPrefix(model: Llama, prefix: Prefix, { to, rows }: { to: number; rows: Rows }): Tensor {
  if (prefix.to === to) return prefix.hidden
  const hidden = rows.arena.tensor([prefix.rows, model.config.hiddenSize])
  model.backend.ops.copyRows(hidden, prefix.hidden, { rows: upTo(prefix.rows), at: 0 })
  return model.run(hidden, rows, { from: prefix.to, to })
}

/** Embeds ids that are partly on the host and partly still on the device. */
export function embedTokens(model: Llama, tokens: readonly (number | Tensor)[], rows: Rows): Tensor {
  const ids = tokens.filter((token) => typeof token === 'number')
  if (ids.length === tokens.length) return model.embed(Int32Array.from(ids), rows)
  if (tokens.length === 1) return model.embed(tokens[0] as Tensor, rows) // it is not a number
  const out = rows.arena.tensor([tokens.length, model.config.hiddenSize])
  for (const [at, token] of tokens.entries()) {
    const row = model.embed(typeof token === 'number' ? Int32Array.of(token) : token, rows)
    model.backend.ops.copyRows(out, row, { rows: [0], at })
  }
  return out
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}
