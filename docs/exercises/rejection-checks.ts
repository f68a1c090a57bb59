// What is checked of an acceptance by rejection, on models so small that the law of three tokens is known exactly.

import { distribution } from 'drafthorse'
import { randomFor } from 'drafthorse/conformance'
import { chanceOfWorse } from '../../test/decode/chi-square.ts'
import { decodeToy, drawing, jointLaw, type Likeness, pairOf, prompt, type Toy } from '../../test/decode/toys.ts'
import { draw } from './draw.ts'

/** A round to be judged. A distribution has a probability for each token of the vocabulary. */
export interface Round {
  /** Tokens, each drawn from its distribution in `q`. */
  readonly drafted: readonly number[]
  /** What the draft drew from: a distribution for each drafted token. */
  readonly q: readonly Float64Array[]
  /** The model's distributions: at the place of each drafted token, and after the last. */
  readonly p: readonly Float64Array[]
  /** Another random number from 0 to below 1 with each call. */
  uniform(): number
}

export type Accept = (round: Round) => readonly number[]

/** Throws, saying what is wrong. */
type Check = (accept: Accept) => void

/** Rarer than this, chance is not to blame. All draws are the same in every run. */
const leastChance = 1e-6
const texts = 20_000
const vocabSize = 5
const sampling = { temperature: 1 }

/** The first is about the form of what comes back; without it the others mean nothing. */
export const checks: Readonly<Record<string, Check>> = {
  'a round keeps drafted tokens, and one that was not drafted at most, as its last': (accept) => {
    decodeTexts(accept, { likeness: 'bad', drafts: 2 }, expectForm)
  },
  'all that a draft like the model itself draws stands, and one more token follows': (accept) => {
    decodeTexts(accept, { likeness: 'same', drafts: 2 }, ({ drafted }, kept) => {
      if (kept.length > drafted.length) return
      fail(`of ${drafted} it kept ${kept}: where p equals q all of them stand, and one more token comes from the model`)
    })
  },
  'a token that the model rules out never comes': (accept) => {
    decodeTexts(accept, { likeness: 'disjoint', drafts: 2 }, ({ drafted, p }, kept) => {
      const at = kept.findIndex((token, i) => !(p[i]![token]! > 0))
      if (at >= 0) fail(`of ${drafted} it kept ${kept}, though p[${at}][${kept[at]}] is 0`)
    })
  },
  'good drafts stand as often as they can': (accept) => expectRate(accept, 'good'),
  'bad drafts stand as often as they can': (accept) => expectRate(accept, 'bad'),
  'three tokens have the law of the model, drafted well, one at a time': (accept) => expectLaw(accept, 'good', 1),
  'three tokens have the law of the model, drafted well, two at a time': (accept) => expectLaw(accept, 'good', 2),
  'three tokens have the law of the model, drafted badly, two at a time': (accept) => expectLaw(accept, 'bad', 2),
}

function fail(message: string): never {
  throw new Error(message)
}

type Pairing = Likeness | 'same'

function pairLike(likeness: Pairing) {
  if (likeness !== 'same') return pairOf(likeness, vocabSize)
  const pair = pairOf('good', vocabSize)
  return { ...pair, draft: pair.target }
}

/** Texts of three tokens; `see` is shown each round, what was kept of it, and how many rounds its text had before. */
function decodeTexts(
  accept: Accept,
  { likeness, drafts }: { likeness: Pairing; drafts: number },
  see: (round: Round, kept: readonly number[], before: number) => void = () => {},
): (readonly number[])[] {
  const pair = pairLike(likeness)
  const [target, draft] = [lawOf(pair.target), lawOf(pair.draft)]
  const { uniform } = randomFor(1, 'rejection')
  return Array.from({ length: texts }, () => {
    const drawnFrom: Float64Array[] = []
    let rounds = 0
    const acceptance = {
      name: 'rejection' as const,
      milliseconds: 0,
      drafting: {
        choose(_: ArrayLike<number>, history: readonly number[]): number {
          const q = draft(history)
          drawnFrom.push(q)
          return draw(q, uniform())
        },
      },
      accept({ drafted, history }: { drafted: readonly number[]; history: readonly number[] }): number[] {
        const p = Array.from({ length: drafted.length + 1 }, (_, at) => target([...history, ...drafted.slice(0, at)]))
        const round = { drafted, q: drawnFrom.splice(0), p, uniform }
        const kept = accept(round)
        expectForm(round, kept)
        see(round, kept, rounds++)
        return [...kept]
      },
    }
    return decodeToy(pair, { acceptance, draft: drawing(() => drafts) }).tokens
  })
}

/** A toy's distribution after a history, computed once for each two tokens that it looks at. */
function lawOf(toy: Toy): (history: readonly number[]) => Float64Array {
  const known = new Map<string, Float64Array>()
  return (history) => {
    const key = history.slice(-2).join()
    const law = known.get(key) ?? distribution(toy(history), sampling)
    known.set(key, law)
    return law.slice()
  }
}

function expectForm({ drafted }: Round, kept: readonly number[]): void {
  if (kept.length === 0) fail(`of ${drafted} it kept nothing: a round gives one token at least`)
  const stranger = kept.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocabSize))
  if (stranger !== undefined) fail(`of ${drafted} it kept ${kept}, but tokens are 0 to ${vocabSize - 1}`)
  const fell = kept.findIndex((token, at) => token !== drafted[at])
  if (fell >= 0 && fell < kept.length - 1)
    fail(`of ${drafted} it kept ${kept}: ${kept[fell]} has to be the last of these`)
}

function expectRate(accept: Accept, likeness: Pairing): void {
  let stood = 0
  decodeTexts(accept, { likeness, drafts: 1 }, ({ drafted }, kept, before) => {
    if (before === 0 && kept[0] === drafted[0]) stood++
  })
  const { target, draft } = pairLike(likeness)
  const [p, q] = [lawOf(target)(prompt), lawOf(draft)(prompt)]
  const rate = p.reduce((sum, probability, id) => sum + Math.min(probability, q[id]!), 0)
  const chance = chanceOfWorse([stood, texts - stood], [rate, 1 - rate])
  if (chance > leastChance) return
  fail(`${percent(stood / texts)} of ${texts} stood, expected ${percent(rate)}: the sum of min(p, q)`)
}

function expectLaw(accept: Accept, likeness: Pairing, drafts: number): void {
  const law = [...jointLaw(pairLike(likeness), sampling)]
  const counts = new Map(law.map(([tokens]) => [tokens, 0]))
  for (const tokens of decodeTexts(accept, { likeness, drafts })) {
    counts.set(tokens.join(), (counts.get(tokens.join()) ?? 0) + 1)
  }
  const came = [...counts.values()]
  const chance = chanceOfWorse(
    came,
    law.map(([, probability]) => probability),
  )
  if (chance > leastChance) return
  const off = law.map(([, probability], i) => Math.abs(came[i]! - probability * texts) / Math.sqrt(probability * texts))
  const worst = off.indexOf(Math.max(...off))
  const [tokens, probability] = law[worst]!
  fail(
    `of ${texts} texts ${came[worst]} were ${tokens}, expected ${(probability * texts).toFixed(1)}; ` +
      `by chance a fit is as bad with a probability of ${chance < 1e-12 ? 'less than 1e-12' : chance.toExponential(0)}`,
  )
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
