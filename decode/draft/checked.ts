// What drafts say, checked before anything is built on it: they may be the user's own, and written in JavaScript.

import type { Tensor } from '../../engine/backend.ts'
import { ArgumentError } from '../../engine/errors.ts'
import type { Llama } from '../../model/llama.ts'
import type { DraftSession, Guess, GuessSession, Prefix, Proposal, SingleDraft } from './draft.ts'

/** Who was asked, for how many tokens, and for which model. */
export interface Asked {
  readonly draft: string
  readonly limit: number
  readonly model: Pick<Llama, 'config' | 'sublayers'>
}

/** Starts a draft; what its session guesses is checked. Throws {@link ArgumentError} where it starts no session, and as it does. */
export function startDraft(draft: SingleDraft, model: Llama): DraftSession {
  const session = draft.start(model)
  const { guess, propose }: { guess?: unknown; propose?: unknown } = isObject(session) ? session : {}
  if (typeof guess === 'function' && propose === undefined && 'guess' in session) {
    return checkedSession(session, { draft: draft.name, model })
  }
  if (typeof propose === 'function' && !('guess' in session)) return session
  throw new ArgumentError(
    `the draft "${draft.name}" started ${shown(session)}, expected a session with a method "guess" or "propose", not both`,
  )
}

/**
 * Shows a guessing session a copy of the history that grows with it, at the cost of the new tokens: whatever a draft writes
 * to it, text and other drafts stay as they are.
 */
function checkedSession(session: GuessSession, asked: Omit<Asked, 'limit'>): GuessSession {
  const seen: number[] = []
  return {
    guess(history, limit) {
      for (let at = seen.length; at < history.length; at++) seen.push(history[at]!)
      const guess = session.guess(seen, limit)
      if (seen.length !== history.length || seen.at(-1) !== history.at(-1)) {
        throw new ArgumentError(`the draft "${asked.draft}" wrote to the history that it was shown; take a copy first`)
      }
      return checkedGuess(guess, { ...asked, limit })
    },
  }
}

/** A copy of what a draft guessed. Throws {@link ArgumentError}. */
export function checkedGuess(guess: unknown, asked: Asked): Guess {
  const says = `the draft "${asked.draft}" guessed`
  if (!isObject(guess)) throw new ArgumentError(`${says} ${shown(guess)}, expected { tokens: a list of ids }`)
  const { tokens, kind, chance }: { [K in keyof Guess]?: unknown } = guess
  if (kind !== undefined && typeof kind !== 'string') {
    throw new ArgumentError(`${says} with the kind ${shown(kind)}, expected a string or none`)
  }
  if (chance !== undefined && !(typeof chance === 'number' && chance >= 0 && chance <= 1)) {
    throw new ArgumentError(`${says} with the chance ${shown(chance)}, expected a probability, 0 to 1, or none`)
  }
  const ids = listOf(says, tokens, asked).map((id) => checkedId(says, id, asked))
  return { tokens: ids, kind, chance }
}

/** A copy of what a draft proposed. Throws {@link ArgumentError}. */
export function checkedProposal(proposal: unknown, asked: Asked): Proposal {
  const says = `the draft "${asked.draft}" proposed`
  if (!isObject(proposal)) {
    throw new ArgumentError(`${says} ${shown(proposal)}, expected { tokens, passes, sublayersRun }`)
  }
  const given: { [K in keyof Proposal]?: unknown } = proposal
  const tokens = listOf(says, given.tokens, asked).map((id) => (isToken(id) ? id : checkedId(says, id, asked)))
  const [passes, sublayersRun] = (['passes', 'sublayersRun'] as const).map((name) => {
    const count = given[name]
    if (typeof count === 'number' && Number.isFinite(count) && count >= 0) return count
    throw new ArgumentError(`${says} with ${name} ${shown(count)}, expected a number from 0`)
  })
  const prefix = given.prefix === undefined ? undefined : checkedPrefix(given.prefix, tokens.length, asked)
  return { tokens, passes: passes!, sublayersRun: sublayersRun!, ...(prefix && { prefix }) }
}

/** Its place and its shape; what its rows hold is the draft's to answer for. */
function checkedPrefix(given: unknown, drafted: number, { draft, model }: Asked): Prefix {
  const says = `the draft "${draft}" proposed with a prefix`
  if (!isObject(given)) throw new ArgumentError(`${says} that is ${shown(given)}, expected { to, hidden, rows }`)
  const { to, hidden, rows }: { [K in keyof Prefix]?: unknown } = given
  if (!isWhole(rows, drafted + 1)) {
    const most = `0 to ${drafted + 1}, one more than tokens`
    throw new ArgumentError(`${says} of ${shown(rows)} rows, expected a whole number from ${most}`)
  }
  if (!isWhole(to, model.sublayers)) {
    throw new ArgumentError(`${says} up to sublayer ${shown(to)}, expected a whole number from 0 to ${model.sublayers}`)
  }
  const { hiddenSize } = model.config
  if (
    !isTensor(hidden, 'f32') ||
    hidden.shape.length !== 2 ||
    hidden.shape[1] !== hiddenSize ||
    !(hidden.shape[0]! >= rows)
  ) {
    const came = isTensor(hidden, 'f32') ? `[${hidden.shape.join(', ')}]` : shown(hidden)
    throw new ArgumentError(
      `${says} whose hidden rows are ${came}, expected an f32 tensor [${rows} or more, ${hiddenSize}]`,
    )
  }
  return { to, hidden, rows }
}

function listOf(says: string, tokens: unknown, { limit }: Asked): unknown[] {
  if (!Array.isArray(tokens)) throw new ArgumentError(`${says} ${shown(tokens)} as tokens, expected a list of ids`)
  if (tokens.length > limit) throw new ArgumentError(`${says} ${tokens.length} tokens, expected ${limit} at most`)
  return Array.from(tokens) // also what a list with holes does not hold
}

function checkedId(says: string, id: unknown, { model }: Asked): number {
  const { vocabSize } = model.config
  if (isWhole(id, vocabSize - 1)) return id
  throw new ArgumentError(`${says} the token ${shown(id)}, expected a whole number from 0 to ${vocabSize - 1}`)
}

/** A token that nobody has read yet. */
function isToken(value: unknown): value is Tensor {
  return isTensor(value, 'i32') && value.shape.length === 1 && value.shape[0] === 1
}

function isTensor(value: unknown, wanted: 'f32' | 'i32'): value is Tensor {
  const { dtype, shape }: { dtype?: unknown; shape?: unknown } = isObject(value) ? value : {}
  return dtype === wanted && Array.isArray(shape)
}

function isWhole(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof Promise) return 'a promise'
  if (Array.isArray(value)) return 'a list'
  return isObject(value) || typeof value === 'function' ? `a value of type ${typeof value}` : String(value)
}
