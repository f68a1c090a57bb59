// The cost model with guesses, which cost nothing: verified where they pay, whatever drafts stand beside them.
import assert from 'node:assert/strict'
import { costModel, type RoundReport } from 'drafthorse/decode'
import { affine, drafting, type SimulatedDraft, simulate, skip } from './simulation.ts'

const seeds = [1, 2, 3]
const noises = [{}, { noise: 0.1 }, { noise: 0.1, outliers: 0.05 }]

const sum = (figures: readonly number[]): number => figures.reduce((total, figure) => total + figure, 0)

describe('the cost model with guesses', () => {
  const copies = (place: number): boolean => Math.floor(place / 40) % 3 === 0
  const lookup: SimulatedDraft = {
    name: 'lookup',
    chance: (place) => (copies(place) ? 0.93 : 0.05),
    guess: (place) => ({ kind: copies(place) ? 'long match' : 'short match', length: 8 }),
  }
  const verified = (rounds: readonly RoundReport[], kind: string): number =>
    rounds.filter(({ lanes }) => lanes[0]!.kind === kind && lanes[0]!.drafted > 0).length

  it('verifies those of the sorts that hold, and judges the others in the shadow', () => {
    for (const seed of seeds) {
      const { rounds, ms, plainMs } = simulate(costModel(), { drafts: [lookup], tokens: 2500, seed, noise: 0.1 })
      assert.ok(ms < 0.82 * plainMs, `${ms / plainMs}`)
      assert.ok(verified(rounds, 'long match') > 100)
      assert.ok(verified(rounds, 'short match') < 0.1 * rounds.length, `${verified(rounds, 'short match')}`)
    }
  })

  it('loses 2 % and two rounds at most where a row costs a pass', () => {
    for (const seed of seeds) {
      for (const noise of noises) {
        const about = { drafts: [lookup, skip(0.5, 0.8)], tokens: 2500, seed, verify: affine(1), ...noise }
        const { ms, plainMs } = simulate(costModel(), about)
        assert.ok(ms <= 1.02 * plainMs + 2 * 50, `${ms / plainMs}`)
      }
    }
  })

  for (const tokens of [128, 512]) {
    it(`gives 0.95 of what they give alone beside a skip set or an early exit that is bad, in ${tokens} tokens`, () => {
      const good: SimulatedDraft = { name: 'lookup', chance: () => 0.85, guess: () => ({ length: 8 }) }
      const rare: SimulatedDraft = { ...good, guess: (place) => (place % 48 < 16 ? { length: 8 } : undefined) }
      const speedup = (drafts: readonly SimulatedDraft[]): number => {
        const all = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) =>
          simulate(costModel(), { drafts, tokens, seed, verify: affine(0.17), noise: 0.1 }),
        )
        return sum(all.map(({ plainMs }) => plainMs)) / sum(all.map(({ ms }) => ms))
      }
      for (const lookup of [good, rare]) {
        const alone = speedup([lookup])
        assert.ok(alone > (lookup === good ? 1.9 : 1.15), `${alone} alone`)
        for (const bad of [skip(0.1, 0.4), skip(0.3, 0.8), skip(0.1, 0.3, { exit: true })]) {
          const both = speedup([lookup, bad])
          assert.ok(both >= 0.95 * alone, `${both} with a bad ${bad.exit ? 'exit' : 'skip set'}, ${alone} alone`)
        }
      }
    })
  }

  it('verifies a guess that pays in each round while an early exit is in question, but for plain rounds that are due', () => {
    const good: SimulatedDraft = { name: 'lookup', chance: () => 0.9, guess: () => ({ length: 8 }) }
    const exit = skip(0.1, 0.3, { exit: true })
    const { rounds } = simulate(costModel(), { drafts: [good, exit], tokens: 1000 })
    assert.deepEqual(rounds, simulate(costModel(), { drafts: [good], tokens: 1000 }).rounds)
  })

  it('finds a good early exit where some rounds have no guess', () => {
    const rare: SimulatedDraft = {
      ...{ name: 'lookup', chance: () => 0.85 },
      guess: (place) => (place % 48 < 16 ? { length: 8 } : undefined),
    }
    const about = { tokens: 512, verify: affine(0.17), noise: 0.1 }
    const both = simulate(costModel(), { drafts: [rare, skip(0.9, 0.3, { exit: true })], ...about }).ms
    assert.ok(both < 0.9 * simulate(costModel(), { drafts: [rare], ...about }).ms)
  })

  it('leaves a guess for a later draft that gives more', () => {
    const poor: SimulatedDraft = { name: 'lookup', chance: () => 0.4, guess: () => ({ length: 3 }) }
    const { rounds } = simulate(costModel(), { drafts: [poor, skip(0.95, 0.2)], tokens: 2500 })
    const late = rounds.slice(100)
    assert.ok(late.filter(({ lanes }) => lanes[0]!.draft === 'skip').length > 0.9 * late.length)
    const alone = simulate(costModel(), { drafts: [poor], tokens: 2500 }).rounds
    assert.ok(drafting(alone) > 0.9)
  })

  it('does better with both drafts than with one', () => {
    const time = (drafts: readonly SimulatedDraft[]): number =>
      simulate(costModel(), { drafts, tokens: 2500, noise: 0.1 }).ms
    const both = time([lookup, skip(0.8, 0.4)])
    assert.ok(both < 0.95 * time([lookup]) && both < 0.95 * time([skip(0.8, 0.4)]))
  })
})
