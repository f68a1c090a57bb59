// Both ways of accepting, over whole rounds of models so small that the law of three tokens is exact: it covers a draft accepted,
// one rejected and replaced, the model's own token after the last, and drafting anew.
import assert from 'node:assert/strict'
import { distribution, type SamplingOptions } from 'drafthorse'
import type { Acceptance } from '../../decode/accept/acceptance.ts'
import { acceptByEquality } from '../../decode/accept/equality.ts'
import { acceptByRejection } from '../../decode/accept/rejection.ts'
import { createSampler, planSampling } from '../../decode/sampler.ts'
import { chanceOfWorse } from './chi-square.ts'
import {
  decodeToy,
  drawing,
  jointLaw,
  type Likeness,
  type Pair,
  pairOf,
  prompt,
  type ToyDraft,
  type ToyRound,
} from './toys.ts'

type Accept = 'equality' | 'rejection'

interface Settings extends SamplingOptions {
  readonly draftTemperature?: number
}

function acceptanceOf(accept: Accept, settings: Settings, { vocabSize, seed }: { vocabSize: number; seed: number }) {
  const sampling = planSampling(settings, vocabSize)
  return accept === 'equality'
    ? acceptByEquality(createSampler(sampling, { vocabSize, seed }))
    : acceptByRejection({ sampling, vocabSize, seed, draftTemperature: settings.draftTemperature })
}

/** One, two or three tokens, by turns. */
const byTurns = drawing((rounds) => 1 + (rounds.length % 3))

/** Goes on until it draws an even token, which is its last. */
const untilEven: ToyDraft = ({ history, logits, sampler }) => {
  const all = [...history]
  do all.push(sampler.choose(logits(all), all))
  while (all.length < history.length + 3 && all.at(-1)! % 2 === 1)
  return all.slice(history.length)
}

/** Keeps an even token to itself when it has drawn one. */
const hidingEven: ToyDraft = (ask) => {
  const drafted = untilEven(ask)
  return drafted.at(-1)! % 2 === 0 ? drafted.slice(0, -1) : drafted
}

/** Proposes another in place of each even token that it draws, and goes on after that. */
const replacingEven: ToyDraft = ({ history, logits, sampler }) => {
  const all = [...history]
  while (all.length < history.length + 2) {
    const token = sampler.choose(logits(all), all)
    all.push(token % 2 === 0 ? token + 1 : token)
  }
  return all.slice(history.length)
}

/** Draws another, from other logits, in place of each even token. */
const redrawingEven: ToyDraft = ({ history, logits, sampler }) => {
  const all = [...history]
  while (all.length < history.length + 2) {
    const token = sampler.choose(logits(all), all)
    all.push(token % 2 === 0 ? sampler.choose(logits([token, token]), all) : token)
  }
  return all.slice(history.length)
}

/** Draws three, and then again only where the last round's discarded draw at that place was of the lower half. */
const remembering = (vocabSize: number): ToyDraft =>
  drawing((rounds) => {
    const last: ToyRound | undefined = rounds.at(-1)
    if (!last) return 3
    const discarded = last.drafted[last.kept.length]
    return discarded === undefined || discarded < vocabSize / 2 ? 1 : 0
  })

/** Knows nothing of the draft's distribution, nor draws. */
const guessing: ToyDraft = ({ history }) => [history.at(-1)! & 2, history.at(-2)! & 2]

/** Draws one token, and guesses the next. */
const drawingThenGuessing: ToyDraft = (ask) => [...drawing(() => 1)(ask), ask.history.at(-1)!]

interface Case {
  readonly what: string
  readonly likeness: Likeness
  readonly vocabSize: number
  readonly settings: Settings
  readonly draft: ToyDraft
  readonly only?: Accept
}

const two = drawing(() => 2)
const even: Settings = { temperature: 1 }
const filtered: Settings = { temperature: 0.9, topK: 4, topP: 0.95, repetitionPenalty: 1.5, logitBias: { 0: 0.5 } }
const cases: readonly Case[] = [
  { what: 'two', likeness: 'good', vocabSize: 4, settings: even, draft: two },
  { what: 'two', likeness: 'bad', vocabSize: 4, settings: even, draft: two },
  { what: 'two', likeness: 'disjoint', vocabSize: 6, settings: even, draft: two },
  { what: 'one to three by turns', likeness: 'bad', vocabSize: 5, settings: { temperature: 0.6 }, draft: byTurns },
  { what: 'one to three by turns', likeness: 'good', vocabSize: 6, settings: filtered, draft: byTurns },
  { what: 'three', likeness: 'good', vocabSize: 30, settings: { temperature: 0.7 }, draft: drawing(() => 3) },
  { what: 'three', likeness: 'bad', vocabSize: 30, settings: { temperature: 0.7 }, draft: drawing(() => 3) },
  { what: 'until an even one', likeness: 'good', vocabSize: 6, settings: even, draft: untilEven },
  { what: 'until an even one, which it hides', likeness: 'good', vocabSize: 6, settings: even, draft: hidingEven },
  { what: 'two, even ones replaced', likeness: 'good', vocabSize: 6, settings: even, draft: replacingEven },
  { what: 'two, even ones drawn again', likeness: 'good', vocabSize: 6, settings: even, draft: redrawingEven },
  { what: 'where what was discarded was low', likeness: 'good', vocabSize: 6, settings: even, draft: remembering(6) },
  { what: 'where what was discarded was low', likeness: 'bad', vocabSize: 6, settings: even, draft: remembering(6) },
  { what: 'two that are not drawn', likeness: 'bad', vocabSize: 4, settings: even, draft: guessing },
  {
    what: 'one, and one that is not drawn',
    likeness: 'good',
    vocabSize: 4,
    settings: even,
    draft: drawingThenGuessing,
  },
  ...[0, 0.5, 1, 2].map(
    (draftTemperature): Case => ({
      what: 'two',
      likeness: 'good',
      vocabSize: 5,
      settings: { ...filtered, draftTemperature },
      draft: two,
      only: 'rejection',
    }),
  ),
]

const laws = cases.flatMap(({ only, ...one }) =>
  (['equality', 'rejection'] as const)
    .filter((accept) => accept === (only ?? accept))
    .map((accept) => ({ ...one, accept })),
)

describe('the joint law of three tokens', () => {
  for (const { accept, what, likeness, vocabSize, settings, draft } of laws) {
    const how = `${what}, of a vocabulary of ${vocabSize}, by a ${likeness} draft: ${JSON.stringify(settings)}`
    it(`is the model’s, accepting by ${accept} and drafting ${how}`, () => {
      const pair = pairOf(likeness, vocabSize)
      const law = jointLaw(pair, settings)
      const counts = new Map([...law.keys()].map((tokens) => [tokens, 0]))
      const seen = { accepted: 0, rejected: 0, extra: 0, anew: 0 }
      for (let seed = 0; seed < 12_000; seed++) {
        const { tokens, rounds } = decodeToy(pair, {
          acceptance: acceptanceOf(accept, settings, { vocabSize, seed }),
          draft,
        })
        const key = tokens.join()
        assert.ok(counts.has(key), `${key} is not to be had`)
        counts.set(key, counts.get(key)! + 1)
        for (const { drafted, kept } of rounds) {
          if (kept.length > 1) seen.accepted++
          if (kept.length <= drafted.length) seen.rejected++
          else seen.extra++
        }
        if (rounds.length > 1) seen.anew++
      }
      assert.equal(seen.accepted > 0, likeness !== 'disjoint')
      assert.ok(seen.rejected > 0 && seen.anew > 0)
      assert.equal(seen.extra > 0, likeness !== 'disjoint')
      const chance = chanceOfWorse([...counts.values()], [...law.values()])
      assert.ok(chance > 0.01 / laws.length, `a worse fit has a chance of ${chance}`)
    })
  }
})

/** The model's and the draft's distribution after the prompt, and what they have in common: 1 - TV. */
function firstLaws({ target, draft }: Pair, { draftTemperature, ...settings }: Settings) {
  const p = distribution(target(prompt), settings, prompt)
  const q = distribution(draft(prompt), { ...settings, temperature: draftTemperature ?? settings.temperature }, prompt)
  const common = p.reduce((sum, probability, id) => sum + Math.min(probability, q[id]!), 0)
  return { p, q, common }
}

/** How often the first drafted token is accepted. */
function firstAccepted(pair: Pair, start: (seed: number) => Acceptance): number {
  let accepted = 0
  for (let seed = 0; seed < draws; seed++) {
    const { rounds } = decodeToy(pair, { acceptance: start(seed), draft: drawing(() => 1), count: 1 })
    if (rounds[0]!.kept.length > 1) accepted++
  }
  return accepted / draws
}

const draws = 20_000

const assertClose = (rate: number, expected: number): void => {
  const error = Math.sqrt((expected * (1 - expected)) / draws)
  assert.ok(Math.abs(rate - expected) <= 4 * error, `${rate}, not ${expected} +- ${error}`)
}

const pairs = (['good', 'bad', 'disjoint'] as const).flatMap((likeness) =>
  [4, 30].map((vocabSize) => ({ likeness, vocabSize })),
)

describe('a first drafted token', () => {
  for (const { likeness, vocabSize } of pairs) {
    const pair = pairOf(likeness, vocabSize)

    it(`agrees at the rate of the closed form, by a ${likeness} draft and ${vocabSize} tokens`, () => {
      const settings = { temperature: 0.8 }
      const { p, q, common } = firstLaws(pair, settings)
      let expected = 0
      for (const [i, pi] of p.entries()) {
        if (pi > 0 && q[i]! > 0) expected += 1 / p.reduce((sum, pj, j) => sum + Math.max(pj / pi, q[j]! / q[i]!), 0)
      }
      assert.ok(expected >= common / (2 - common) - 1e-12) // (1 - TV) / (1 + TV)
      assertClose(
        firstAccepted(pair, (seed) => acceptanceOf('equality', settings, { vocabSize, seed })),
        expected,
      )
    })

    for (const draftTemperature of [0.8, 1.6]) {
      it(`stands against rejection as often as p and q overlap, by a ${likeness} draft at temperature ${draftTemperature} and ${vocabSize} tokens`, () => {
        const settings = { temperature: 0.8, repetitionPenalty: 1.5, draftTemperature }
        assertClose(
          firstAccepted(pair, (seed) => acceptanceOf('rejection', settings, { vocabSize, seed })),
          firstLaws(pair, settings).common,
        )
      })
    }
  }
})
