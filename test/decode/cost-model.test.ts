// The cost model over thousands of simulated rounds: never slower than plain decoding, and near the best length where drafts pay.
import assert from 'node:assert/strict'
import { type CostModelSession, costModel, fixedLength } from 'drafthorse/decode'
import fc from 'fast-check'
import { affine, drafting, priorOf, type Simulation, simulate, skip } from './simulation.ts'

const seeds = [1, 2, 3]
const noises = [{}, { noise: 0.1 }, { noise: 0.1, outliers: 0.05 }]

/** Time of the best of all fixed lengths, chosen afterwards. */
function inHindsight(simulation: Simulation): number {
  return Math.min(...Array.from({ length: 13 }, (_, length) => simulate(fixedLength(length), simulation).ms))
}

describe('the cost model where drafts never pay', () => {
  for (const [chance, pass] of [
    [0, 0.6],
    [0.2, 0.8],
    [0.5, 0.8],
    [0.6, 0.5],
    [0.7, 0.8],
  ] as const) {
    for (const prior of [undefined, priorOf({ draft: 0.3, chance: 0.9, slope: 0.05 })]) {
      it(`loses 2 % and two rounds at most: acceptance ${chance}, draft ${pass}, ${prior ? 'false' : 'no'} prior`, () => {
        for (const [i, noise] of noises.entries()) {
          for (const confident of [false, true]) {
            const drafts = [skip(chance, pass, { confident })]
            const verify = affine(0.2)
            const about = { drafts, tokens: 2100, seed: i + 1, freeReads: confident, verify, ...noise }
            const { ms, plainMs } = simulate(costModel(), { ...about, ...(prior && { prior }) })
            const twoRounds = 2 * 10 * (4 * pass + verify(5))
            assert.ok(ms <= 1.02 * plainMs + twoRounds, `${JSON.stringify(about)}: ${ms / plainMs}`)
          }
        }
      })
    }
  }

  it('tries again ever more seldom, up to every 256 rounds', () => {
    const { rounds } = simulate(costModel(), { drafts: [skip(0, 0.3)], tokens: 3000 })
    const at = rounds.flatMap(({ lanes }, round) => (lanes[0]!.drafted > 0 ? [round] : []))
    const waits = at.slice(1).map((round, i) => round - at[i]!)
    assert.deepEqual(
      waits,
      waits.toSorted((a, b) => a - b),
    )
    assert.ok(waits.length >= 8 && waits[0]! <= 64, `${waits}`)
    assert.ok(
      waits.slice(-3).every((wait) => wait >= 256 && wait <= 258),
      `${waits}`,
    )
  })

  it('leaves a short text nearly alone where the prior says so', () => {
    const prior = priorOf({ draft: 0.8, chance: 0.5, slope: 0.1 })
    for (const seed of seeds) {
      const { rounds, ms, plainMs } = simulate(costModel(), { drafts: [skip(0.5, 0.8)], tokens: 128, seed, prior })
      assert.equal(drafting(rounds.slice(0, 64)), 0)
      assert.ok(ms < 1.02 * plainMs)
    }
  })
})

describe('the cost model where drafts pay', () => {
  for (const [chance, pass] of [
    [0.75, 0.3],
    [0.8, 0.5],
    [0.9, 0.5],
    [0.95, 0.3],
  ] as const) {
    for (const prior of [undefined, priorOf({ draft: pass, chance, slope: 0.1 })]) {
      for (const confident of [false, true]) {
        it(`gives 0.95 of the best fixed length: acceptance ${chance}, draft ${pass}, ${prior ? 'a' : 'no'} prior${confident ? ', confidence' : ''}`, () => {
          let [ours, best] = [0, 0]
          for (const seed of seeds) {
            const drafts = [skip(chance, pass, { confident })]
            const about = { drafts, tokens: 2500, seed, noise: 0.1, freeReads: confident, ...(prior && { prior }) }
            const { ms } = simulate(costModel(), about)
            const hindsight = inHindsight(about)
            assert.ok(ms <= hindsight / 0.93, `seed ${seed}: ${hindsight / ms} of the best`)
            ours += ms
            best += hindsight
          }
          assert.ok(ours <= best / 0.95, `${best / ours} of the best`)
        })
      }
    }
  }

  it('is better than every fixed length where confidence tells good tokens from others', () => {
    for (const seed of seeds) {
      const about = { drafts: [skip(0.75, 0.3, { confident: true })], tokens: 2500, seed, noise: 0.1, freeReads: true }
      assert.ok(simulate(costModel(), about).ms < 0.97 * inHindsight(about))
    }
  })

  it('finds the length before a step in the cost of verification', () => {
    const verify = (rows: number): number => (rows === 1 ? 1 : rows <= 4 ? 1.4 : 2.4)
    const { rounds } = simulate(costModel(), { drafts: [skip(0.9, 0.2)], tokens: 2500, noise: 0.05, verify })
    const late = rounds.slice(rounds.length / 2)
    assert.ok(late.filter(({ lanes }) => lanes[0]!.drafted === 3).length > 0.7 * late.length)
  })

  it('tries a length beside the best in one round of 16', () => {
    const verify = (rows: number): number => (rows <= 4 ? 1 + 0.1 * (rows - 1) : 6)
    const { rounds } = simulate(costModel({ most: 6 }), { drafts: [skip(1, 0.1)], tokens: 4000, verify })
    const lengths = rounds.slice(-320).map(({ lanes }) => lanes[0]!.drafted)
    const beside = lengths.filter((length) => length !== 3 && length > 0)
    assert.ok(beside.length >= 18 && beside.length <= 21, `${beside}`)
    assert.deepEqual(new Set(beside), new Set([1, 2, 4, 5]))
  })

  it('starts with three plain rounds, then drafts one token, with a prior its best length', () => {
    const about = { drafts: [skip(0.95, 0.3)], tokens: 20 }
    const drafted = ({ prior }: Pick<Simulation, 'prior'>): number[] =>
      simulate(costModel(), { ...about, ...(prior && { prior }) }).rounds.map(({ lanes }) => lanes[0]!.drafted)
    assert.deepEqual(drafted({}).slice(0, 4), [0, 0, 0, 1])
    assert.deepEqual(drafted({ prior: priorOf({ draft: 0.3, chance: 0.95, slope: 0.1 }) }).slice(0, 4), [0, 0, 0, 6])
  })

  it('predicts the speed-up that comes', () => {
    for (const [chance, confident] of [
      [0.95, false],
      [0.75, false],
      [0.75, true],
    ] as const) {
      const drafts = [skip(chance, 0.3, { confident })]
      const { ms, plainMs, session } = simulate(costModel(), { drafts, tokens: 2500, freeReads: confident })
      const ratio = (session as CostModelSession).predictedSpeedup()! / (plainMs / ms) // costModel starts such a session
      assert.ok(Math.abs(ratio - 1) < 0.04, `${ratio}`)
    }
  })

  it('measures a plain round in 65 at least', () => {
    const { rounds } = simulate(costModel(), { drafts: [skip(0.95, 0.3)], tokens: 4000, noise: 0.1 })
    const plain = rounds.flatMap(({ lanes }, round) => (lanes[0]!.drafted === 0 ? [round] : []))
    for (const [i, round] of [...plain, rounds.length].entries()) assert.ok(round - (plain[i - 1] ?? 0) <= 65)
    assert.ok(plain.length < rounds.length / 16)
  })
})

describe('the cost model', () => {
  it('gives the same lengths for the same reports', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.double({ min: 0.3, max: 0.95, noNaN: true }),
        (seed, chance) => {
          const about = {
            drafts: [skip(chance, 0.4, { confident: true })],
            tokens: 150,
            seed,
            noise: 0.2,
            freeReads: true,
          }
          assert.deepEqual(simulate(costModel(), about).rounds, simulate(costModel(), about).rounds)
        },
      ),
      { numRuns: 20 },
    )
  })

  it('drafts no more than asked, and nothing where asked', () => {
    for (const most of [0, 1, 3]) {
      const { rounds } = simulate(costModel({ most }), { drafts: [skip(0.97, 0.2)], tokens: 500 })
      assert.equal(Math.max(...rounds.map(({ lanes }) => lanes[0]!.drafted)), most)
    }
  })

  it('looks at confidence only where reads are free', () => {
    const prior = priorOf({ draft: 0.3, chance: 0.95, slope: 0.1 })
    for (const freeReads of [false, true]) {
      const { rounds } = simulate(costModel(), {
        ...{ drafts: [skip(0.95, 0.3, { confident: true })], tokens: 300, prior, freeReads },
      })
      const reports = rounds.flatMap(({ lanes }) => lanes.filter(({ drafted }) => drafted > 0))
      assert.ok(reports.length > 0 && reports.every(({ confidences }) => (confidences !== undefined) === freeReads))
    }
  })

  it('starts with plain rounds again when the number of sequences changes', () => {
    const session = costModel().start({ drafts: ['skip'], freeReads: false })
    const limits: number[] = []
    for (let round = 0; round < 60; round++) {
      const count = round < 30 ? 4 : 3
      const most = [...Array(count)].map(() => session.next({ draft: 'skip', lanes: count }).most)
      assert.equal(new Set(most).size, 1, 'sequences of a round have limits of their own')
      const drafted = most[0]!
      limits.push(drafted)
      const lane = { draft: drafted > 0 ? 'skip' : undefined, limit: drafted, drafted, accepted: drafted }
      const ms = 10 * count * (1 + 0.3 * drafted)
      const rows = count * (drafted + 1)
      session.observe({
        ...{ lanes: new Array(count).fill(lane), ms, draftPasses: drafted, draftMs: 0, rows, verifyMs: ms },
      })
    }
    assert.ok(limits.slice(20, 24).some((limit) => limit > 0))
    assert.deepEqual(limits.slice(30, 33), [0, 0, 0])
    assert.ok(limits.slice(33, 40).some((limit) => limit > 0))
  })

  it('pays in a batch as it does alone', () => {
    const about = { drafts: [skip(0.85, 0.3)], tokens: 800, lanes: 4, verify: affine(0.05), noise: 0.1 }
    const { ms } = simulate(costModel(), about)
    assert.ok(ms < inHindsight(about) / 0.93)
  })

  it('stops while its ledger is exceeded, and until it recovers', () => {
    const prior = priorOf({ draft: 0.1, chance: 1, slope: 0.05 })
    const session = costModel().start({ drafts: ['skip'], freeReads: false, prior })
    const limits: { paused: boolean; most: number }[] = []
    for (let round = 0; round < 400; round++) {
      const { exceeded: paused } = session.ledger
      const { most } = session.next({ draft: 'skip', lanes: 1 })
      limits.push({ paused, most })
      // The first two rounds that draft are lost; from then on everything is accepted.
      const lost = limits.filter(({ most }) => most > 0).length <= 2
      const lane = { draft: most > 0 ? 'skip' : undefined, limit: most, drafted: most, accepted: lost ? 0 : most }
      const ms = 10 * (1 + 0.3 * most)
      session.observe({ lanes: [lane], ms, draftPasses: most, draftMs: 0, rows: most + 1, verifyMs: ms })
      assert.equal(session.ledger.exceeded, session.ledger.lostMs > session.ledger.allowedMs)
    }
    const pauses = limits.filter(({ paused }) => paused)
    assert.ok(pauses.length > 10, `${pauses.length} rounds of pause`)
    assert.ok(pauses.every(({ most }) => most === 0))
    assert.ok(limits.slice(-50).some(({ most }) => most > 0))
  })

  it('refuses half a token, and what are no options', () => {
    for (const most of [-1, 1.5, Number.NaN]) assert.throws(() => costModel({ most }), { code: 'ERR_ARGUMENT' })
    assert.throws(() => costModel(null as never), { code: 'ERR_ARGUMENT' })
  })
})
