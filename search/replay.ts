// Acceptance by replay: how many drafted tokens the model would accept from every place of a recorded text. The draft runs over
// the full model's cache below its start and its own rows above, as in decoding (decode/draft/skip-layers.ts).

import type { Tensor } from '../engine/backend.ts'
import { ArgumentError } from '../engine/errors.ts'
import type { Turn } from '../engine/turn.ts'
import { advance, createSequence, type Sequence } from '../model/cache.ts'
import type { Llama } from '../model/llama.ts'
import { planSkip, type SkipSet } from '../model/skip.ts'
import type { RecordedText, Recording } from './recording.ts'

export interface ReplayOptions {
  /** What the draft leaves out. */
  readonly skip: SkipSet
  /** Tokens that are drafted from each place at most. */
  readonly longest: number
  readonly turn: Turn
}

/** `accepted[text][done]`: tokens accepted of the longest draft after `done` new tokens of a text, `[texts][new tokens]`. */
export type Accepted = readonly (readonly number[])[]

/** Where a draft may begin. */
interface Place {
  readonly text: RecordedText
  /** Its number among the places of all texts, one for each new token. */
  readonly at: number
  /** The row of the newest token. */
  readonly start: number
  /** Tokens that it may draft. */
  readonly limit: number
}

/** A draft whose tokens were the text's so far. */
interface Attempt {
  readonly place: Place
  /** The model's rows below the start, and its own above. */
  readonly sequence: Sequence
  accepted: number
}

/**
 * Drafts from every place of every text. As long as its tokens are the text's a draft goes on, so what it runs next is known
 * beforehand: each pass is one row of each of as many drafts as suit the backend, and one read; whose token differs, or who
 * has reached the longest, makes room for the next place. Below the first skipped sublayer a row is the full model's, from
 * whichever place it is drafted, so these are run once for all, and the rest of an early exit too. What a row yields does not
 * depend on the others of its pass where the backend's `rowInvariant` is true; there the result is exactly what decoding
 * accepts. Nothing is kept of the draft's rows. Throws {@link ArgumentError}, and `AbortError`.
 */
export async function replay(model: Llama, recording: Recording, options: ReplayOptions): Promise<Accepted> {
  const { texts, tokens } = recording
  const { skip, longest, turn } = options
  if (!Number.isSafeInteger(longest) || longest < 1) {
    throw new ArgumentError(`the longest draft is ${longest}, expected a whole number from 1`)
  }
  const { first, skipped } = planSkip(skip, model.config.numHiddenLayers)
  const places = placesOf(texts, longest)
  const arena = model.backend.arena()
  try {
    const prefix = arena.tensor([tokens, model.config.hiddenSize])
    await runPrefix(model, texts, { to: first, out: prefix, turn })
    const exits = skipped.indexOf(false, first) === -1
    const accepted = await (exits ? acceptExit : acceptDrafts)(model, places, { prefix, first, skip, turn })
    return texts.map((text) => accepted.splice(0, newTokens(text)))
  } finally {
    arena.release()
  }
}

function newTokens({ ids, promptTokens }: RecordedText): number {
  return ids.length - promptTokens
}

/** One for each new token, in their order. */
function placesOf(texts: readonly RecordedText[], longest: number): Place[] {
  let at = 0
  return texts.flatMap((text) => {
    const tokens = newTokens(text)
    return Array.from({ length: tokens }, (_, done) => {
      const limit = Math.min(longest, tokens - done, text.most - done - 1)
      return { text, at: at++, start: text.promptTokens + done - 1, limit }
    })
  })
}

/** The newest rows of all places as they stand before sublayer `to`: `out [places, hiddenSize]`. */
async function runPrefix(
  model: Llama,
  texts: readonly RecordedText[],
  { to, out, turn }: { to: number; out: Tensor; turn: Turn },
): Promise<void> {
  const { backend, config } = model
  const { passRows } = backend.capabilities
  let at = 0
  for (const { ids, promptTokens, sequence: parent } of texts) {
    const sequence = createSequence(backend, config, { parent, length: promptTokens - 1 })
    try {
      while (sequence.length < ids.length - 1) {
        await turn()
        const chunk = ids.slice(sequence.length, Math.min(ids.length - 1, sequence.length + passRows))
        const arena = backend.arena()
        try {
          const rows = model.rows([{ sequence, count: chunk.length }], arena)
          const x = model.run(model.embed(Int32Array.from(chunk), rows), rows, { to })
          backend.ops.copyRows(out, x, { rows: chunk.map((_, i) => i), at })
          await backend.read([])
        } finally {
          arena.release()
        }
        advance(sequence, chunk.length)
        at += chunk.length
      }
    } finally {
      sequence.dispose()
    }
  }
}

interface Drafting {
  /** `[places, hiddenSize]`, before the sublayer `first`. */
  readonly prefix: Tensor
  readonly first: number
  readonly skip: SkipSet
  readonly turn: Turn
}

/** Of each place, what is accepted. */
async function acceptDrafts(model: Llama, places: readonly Place[], options: Drafting): Promise<number[]> {
  const { backend, config } = model
  const accepted = new Array<number>(places.length).fill(0)
  const waiting = places.filter(({ limit }) => limit > 0).values()
  let open: Attempt[] = []
  try {
    while (true) {
      while (open.length < backend.capabilities.passRows) {
        const { value: place } = waiting.next()
        if (!place) break
        const sequence = createSequence(backend, config, { parent: place.text.sequence, length: place.start })
        open.push({ place, sequence, accepted: 0 })
      }
      if (open.length === 0) return accepted
      await options.turn()
      const ids = await draftRows(model, open, options)
      open = open.filter((attempt, i) => {
        const { text, at, start, limit } = attempt.place
        const holds = ids[i] === text.ids[start + attempt.accepted + 1]
        if (holds && ++attempt.accepted < limit) return true
        accepted[at] = attempt.accepted
        attempt.sequence.dispose()
        return false
      })
    }
  } finally {
    for (const { sequence } of open) sequence.dispose()
  }
}

/** The next row of each of these drafts, in one pass: the ids that they propose. */
async function draftRows(
  model: Llama,
  open: readonly Attempt[],
  { prefix, first, skip }: Drafting,
): Promise<ArrayLike<number>> {
  const { backend, config } = model
  const arena = backend.arena()
  try {
    const rows = model.rows(
      open.map(({ sequence }) => ({ sequence, count: 1 })),
      arena,
    )
    const x = arena.tensor([open.length, config.hiddenSize])
    backend.ops.copyRows(x, prefix, { rows: open.map(({ place, accepted }) => place.at + accepted), at: 0 })
    const logits = model.head(model.run(x, rows, { from: first, skip }), rows)
    const [ids] = await backend.read([model.select(logits, rows).ids])
    for (const { sequence } of open) advance(sequence, 1)
    return ids!
  } finally {
    arena.release()
  }
}

/** The same where nothing runs from `first` on: what follows a row is then one token, from whichever place it is drafted. */
async function acceptExit(model: Llama, places: readonly Place[], { prefix, turn }: Drafting): Promise<number[]> {
  const { backend, config } = model
  const { passRows } = backend.capabilities
  const holds: boolean[] = []
  while (holds.length < places.length) {
    await turn()
    const some = places.slice(holds.length, holds.length + passRows)
    const arena = backend.arena()
    try {
      const rows = { list: [], segments: [], count: some.length, arena }
      const x = arena.tensor([some.length, config.hiddenSize])
      backend.ops.copyRows(x, prefix, { rows: some.map(({ at }) => at), at: 0 })
      const [ids] = await backend.read([model.select(model.head(x, rows), rows).ids])
      for (const [i, { text, start }] of some.entries()) holds.push(ids![i] === text.ids[start + 1])
    } finally {
      arena.release()
    }
  }
  return places.map(({ at, limit }) => {
    const wrong = holds.slice(at, at + limit).indexOf(false)
    return wrong === -1 ? Math.max(0, limit) : wrong
  })
}
