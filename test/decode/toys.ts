// Models and drafts as small as can be: tables of logits by the last two tokens. Their laws over three tokens are exact.
import { distribution, type SamplingOptions } from 'drafthorse'
import type { DraftSampler } from 'drafthorse/decode'
import type { Acceptance } from '../../decode/accept/acceptance.ts'
import { noiseAt } from '../../decode/random.ts'
import { argmax } from '../checkpoints.ts'

/** Logits of the token that follows a history of two tokens and more. */
export type Toy = (history: readonly number[]) => Float32Array

export interface Pair {
  readonly vocabSize: number
  /** The model. */
  readonly target: Toy
  /** What drafts for it. */
  readonly draft: Toy
}

export type Likeness = 'good' | 'bad' | 'disjoint'

/** A model, and a draft that is much like it, has nothing to do with it, or has no token in common with it. */
export function pairOf(likeness: Likeness, vocabSize: number): Pair {
  const spread = { good: 0.4, bad: 0, disjoint: 0 }[likeness]
  const own = tableOf(1, vocabSize)
  const other = tableOf(2, vocabSize)
  const without = (rest: number, logits: Float32Array): Float32Array =>
    logits.map((logit, id) => (id % 2 === rest ? Number.NEGATIVE_INFINITY : logit))
  if (likeness === 'disjoint') {
    return { vocabSize, target: (before) => without(1, own(before)), draft: (before) => without(0, other(before)) }
  }
  if (likeness === 'bad') return { vocabSize, target: own, draft: other }
  return {
    vocabSize,
    target: own,
    draft: (before) => {
      const noise = other(before)
      return own(before).map((logit, id) => logit + spread * noise[id]!)
    },
  }
}

function tableOf(seed: number, vocabSize: number): Toy {
  const rows = Array.from({ length: vocabSize ** 2 }, (_, row) => {
    const { gumbel } = noiseAt(seed, 99, row)
    return Float32Array.from({ length: vocabSize }, (_, id) => 1.2 * gumbel(id))
  })
  return (before) => rows[before.at(-2)! * vocabSize + before.at(-1)!]!
}

export const prompt: readonly number[] = [1, 0]

/** What a draft proposes in a round, and the round as it went. */
export interface ToyRound {
  readonly drafted: readonly number[]
  readonly kept: readonly number[]
}

/** Tokens to follow `history`, chosen with `sampler` or not; `rounds` are those before. */
export type ToyDraft = (ask: {
  readonly history: readonly number[]
  readonly logits: Toy
  readonly sampler: DraftSampler
  readonly rounds: readonly ToyRound[]
}) => readonly number[]

/** Draws as many tokens as it is told, one after the other. */
export function drawing(length: (rounds: readonly ToyRound[]) => number): ToyDraft {
  return ({ history, logits, sampler, rounds }) => {
    const all = [...history]
    for (let left = length(rounds); left > 0; left--) all.push(sampler.choose(logits(all), all))
    return all.slice(history.length)
  }
}

/** The first `count` tokens after the prompt, and the rounds that made them. */
export function decodeToy(
  { target, draft: logits }: Pair,
  { acceptance, draft, count = 3 }: { acceptance: Acceptance; draft: ToyDraft; count?: number },
): { tokens: readonly number[]; rounds: readonly ToyRound[] } {
  const history = [...prompt]
  const rounds: ToyRound[] = []
  const sampler = acceptance.drafting ?? { choose: (row) => argmax(Float32Array.from(row)) }
  while (history.length < prompt.length + count) {
    const drafted = draft({ history, logits, sampler, rounds })
    const kept = acceptance.accept({
      drafted,
      history,
      logits: (at) => target([...history, ...drafted.slice(0, at)]),
    })
    history.push(...kept)
    rounds.push({ drafted, kept })
  }
  return { tokens: history.slice(prompt.length, prompt.length + count), rounds }
}

/** The probability of each three tokens that may follow the prompt. */
export function jointLaw({ target }: Pair, options: SamplingOptions): ReadonlyMap<string, number> {
  const law = new Map<string, number>()
  const follow = (tokens: readonly number[], probability: number): void => {
    if (tokens.length === 3) return void law.set(tokens.join(), probability)
    const history = [...prompt, ...tokens]
    for (const [id, p] of distribution(target(history), options, history).entries()) {
      if (p > 0) follow([...tokens, id], probability * p)
    }
  }
  follow([], 1)
  return law
}
