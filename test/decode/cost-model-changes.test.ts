// The cost model when drafts turn good or bad, costs change, a machine slows down, and rounds now and then take far too long.
import assert from 'node:assert/strict'
import { costModel, fixedLength, type RoundReport } from 'drafthorse/decode'
import { affine, changing, drafting, priorOf, simulate, skip } from './simulation.ts'

const seeds = [1, 2, 3]

/** Time over that of plain decoding, in the rounds from `from` on. */
function slowdown(rounds: readonly RoundReport[], plainMs: number, from = 0): number {
  const last = rounds.slice(from)
  const tokens = last.reduce((sum, { lanes }) => sum + lanes[0]!.accepted + 1, 0)
  return last.reduce((sum, { ms }) => sum + ms, 0) / (tokens * plainMs)
}

describe('the cost model when things change', () => {
  for (const seed of seeds) {
    const noise = { seed, noise: 0.1 }

    it(`stops when drafts turn bad, seed ${seed}`, () => {
      const drafts = [skip(0, 0.4, { chance: changing(1000, 0.9, 0.1) })]
      const { rounds } = simulate(costModel(), { drafts, tokens: 2000, ...noise })
      const turn = rounds.length - 1000 + 100 // of the last 1000 tokens nearly each takes a round
      assert.ok(drafting(rounds.slice(0, 300)) > 0.9)
      assert.ok(drafting(rounds.slice(turn)) < 0.05, `${drafting(rounds.slice(turn))}`)
    })

    it(`starts when drafts turn good, seed ${seed}`, () => {
      const drafts = [skip(0, 0.4, { chance: changing(1000, 0.1, 0.9) })]
      const { rounds } = simulate(costModel(), { drafts, tokens: 4000, ...noise })
      assert.ok(drafting(rounds.slice(0, 1000)) < 0.05)
      assert.ok(drafting(rounds.slice(1500)) > 0.9)
    })

    it(`stops when drafting turns dear, and starts when it turns cheap, seed ${seed}`, () => {
      const dear = [skip(0.9, 0, { pass: changing(300, 0.3, 1.5) })]
      const after = simulate(costModel(), { drafts: dear, tokens: 2500, ...noise }).rounds.slice(400)
      assert.ok(drafting(after) < 0.06, `${drafting(after)}`)
      const cheap = [skip(0.9, 0, { pass: changing(300, 1.5, 0.3) })]
      const then = simulate(costModel(), { drafts: cheap, tokens: 4000, ...noise }).rounds.slice(700)
      assert.ok(drafting(then) > 0.9, `${drafting(then)}`)
    })

    it(`goes on as it was on a machine that slows down, or recovers, seed ${seed}`, () => {
      for (const plainMs of [changing(300, 10, 16), changing(300, 16, 10), (round: number) => 10 + round / 100]) {
        const good = simulate(costModel(), { drafts: [skip(0.85, 0.4)], tokens: 2500, plainMs, ...noise })
        assert.ok(drafting(good.rounds.slice(20)) > 0.93, `${drafting(good.rounds.slice(20))}`)
        const bad = simulate(costModel(), { drafts: [skip(0.5, 0.8)], tokens: 2500, plainMs, ...noise })
        assert.ok(drafting(bad.rounds) < 0.05 && bad.ms < 1.02 * bad.plainMs + 40)
      }
    })

    it(`measures a plain round soon after rounds began to take longer, or less, seed ${seed}`, () => {
      const drafts = [skip(0.85, 0.4)]
      for (const plainMs of [changing(300, 10, 16), changing(300, 16, 10)]) {
        const { rounds } = simulate(costModel(), { drafts, tokens: 1500, plainMs, seed })
        const plain = rounds.slice(300, 325).filter(({ lanes }) => lanes[0]!.drafted === 0)
        assert.ok(plain.length >= 4, `${plain.length} plain rounds`)
      }
    })

    it(`is not moved by one round in 20 that takes five times as long, seed ${seed}`, () => {
      const outliers = { ...noise, outliers: 0.05 }
      for (const prior of [undefined, priorOf({ draft: 0.4, chance: 0.85, slope: 0.1 })]) {
        const about = { tokens: 2500, ...outliers, ...(prior && { prior }) }
        const good = simulate(costModel(), { ...about, drafts: [skip(0.85, 0.4)] })
        assert.ok(drafting(good.rounds) > 0.85, `${drafting(good.rounds)}`)
        const bad = simulate(costModel(), { ...about, drafts: [skip(0.4, 0.8)] })
        assert.ok(drafting(bad.rounds) < 0.05, `${drafting(bad.rounds)}`)
      }
    })
  }

  it('drafts on a machine that others slow down for some rounds, and then again', () => {
    let [ours, best] = [0, 0]
    for (let seed = 1; seed <= 40; seed++) {
      const spans = { length: 60, most: 2.5 }
      const prior = priorOf({ draft: 0.3, chance: 0.82, slope: 0.2 })
      const about = { drafts: [skip(0.82, 0.3)], tokens: 128, seed, noise: 0.1, outliers: 0.03, spans, prior }
      const { ms, plainMs } = simulate(costModel(), { ...about, verify: affine(0.2) })
      ours += plainMs / ms
      best += plainMs / simulate(fixedLength(2), { ...about, verify: affine(0.2) }).ms
    }
    assert.ok(ours > 0.9 * best, `${ours / best} of a fixed length`)
  })

  it('does not let past gains pay for present losses', () => {
    const drafts = [skip(0, 0.3, { chance: changing(5000, 0.95, 0.3) })]
    const { rounds } = simulate(costModel(), { drafts, tokens: 6500, noise: 0.1 })
    const turn = rounds.length - 1600
    assert.ok(slowdown(rounds, 10, turn + 300) < 1.03, `${slowdown(rounds, 10, turn + 300)}`)
  })
})
