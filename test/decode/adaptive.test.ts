// The paper's feedback on the threshold, against sequences computed by hand.
import assert from 'node:assert/strict'
import {
  type AdaptiveState,
  adaptive,
  adaptiveState,
  fixedLength,
  type RoundReport,
  threshold,
} from 'drafthorse/decode'

const start = { drafts: ['skip'], freeReads: true }
const ask = { draft: 'skip', lanes: 1 }

function report(...lanes: readonly (readonly [drafted: number, accepted: number])[]): RoundReport {
  const reports = lanes.map(([drafted, accepted]) => ({
    draft: drafted > 0 ? 'skip' : undefined,
    limit: 12,
    drafted,
    accepted,
    confidences: new Array<number>(drafted).fill(0.9),
  }))
  return { lanes: reports, ms: 1, draftPasses: 0, draftMs: 0, rows: 1, verifyMs: 1 }
}

function near(state: AdaptiveState, threshold: number, acceptanceRate: number): void {
  const apart = Math.max(Math.abs(state.threshold - threshold), Math.abs(state.acceptanceRate - acceptanceRate))
  assert.ok(apart < 1e-12, `${JSON.stringify(state)}, expected ${threshold} and ${acceptanceRate}`)
}

describe('the adaptive draft length', () => {
  it('learns nothing from guesses, which its threshold does not end, and takes a round that had no room for a full one', () => {
    const state = { threshold: 0.5, acceptanceRate: 1 }
    const session = adaptive({ state }).start(start)
    const [lane] = report([4, 0]).lanes
    session.observe!({ ...report(), lanes: [{ ...lane!, confidences: undefined }] })
    near(state, 0.5, 1)
    session.observe!({ ...report(), lanes: [{ ...lane!, limit: 4, accepted: 4 }] })
    near(state, 0.5, 1)
    session.observe!({ ...report(), lanes: [{ ...lane!, limit: 5, accepted: 4 }] })
    near(state, 0.499, 1)
  })

  it('takes of a guess as many tokens as are likely enough to stand together', () => {
    const state = { threshold: 0.5, acceptanceRate: 0 }
    const guess = { draft: 'lookup', guessed: 9, lanes: 1 }
    for (const policy of [adaptive({ state }), threshold({ confidence: 0.5, most: 12 })]) {
      const session = policy.start(start)
      const most = (chance?: number): number => session.next({ ...guess, chance }).most
      assert.deepEqual([0.15, 0.49, 0.5, 0.8, 0.84, 0.95].map(most), [0, 0, 1, 3, 3, 12])
      assert.deepEqual([most(), session.next(ask).most], [12, 12])
    }
    const fixed = fixedLength(4).start({ drafts: ['lookup', 'skip'], freeReads: true })
    assert.deepEqual([fixed.next({ ...guess, chance: 0.3 }).most, fixed.next({ ...guess, chance: 0.6 }).most], [0, 4])
    const alone = fixedLength(4).start({ drafts: ['lookup'], freeReads: true })
    assert.equal(alone.next({ ...guess, chance: 0.3 }).most, 4)
  })

  it("starts from the paper's threshold, and moves it by a tenth of a step a round", () => {
    const state = adaptiveState()
    near(state, 0.6, 0)
    const session = adaptive({ state }).start(start)
    const rounds: readonly (readonly [drafted: number, accepted: number, threshold: number, rate: number])[] = [
      [4, 4, 0.601, 0.5], // below 0.9: up
      [4, 4, 0.602, 0.75],
      [4, 4, 0.603, 0.875],
      [4, 4, 0.602, 0.9375], // above: down
      [12, 12, 0.602, 0.96875], // above, and as many as may be: stays
      [5, 5, 0.601, 0.984375],
      [12, 3, 0.602, 0.6171875], // below, and as many as may be: up
      [1, 0, 0.603, 0.30859375],
    ]
    for (const [drafted, accepted, threshold, rate] of rounds) {
      session.observe!(report([drafted, accepted]))
      near(state, threshold, rate)
    }
  })

  it('follows the rule with other settings', () => {
    const state = { threshold: 0.5, acceptanceRate: 0.4 }
    const session = adaptive({ state, alpha: 0.6, beta1: 0.75, beta2: 0.5, step: 0.2, most: 3 }).start(start)
    session.observe!(report([2, 2])) // rate .3 + .25 = .55 < .6; wanted .7
    near(state, 0.6, 0.55)
    session.observe!(report([2, 2])) // rate .4125 + .25 = .6625; wanted .4
    near(state, 0.5, 0.6625)
    session.observe!(report([3, 3])) // stays
    near(state, 0.5, 0.746875)
    assert.equal(session.next(ask).most, 3)
  })

  it('counts an acceptance rate of alpha as enough', () => {
    const state = { threshold: 0.5, acceptanceRate: 1 }
    adaptive({ state, alpha: 0.75 }).start(start).observe!(report([2, 1]))
    near(state, 0.499, 0.75)
  })

  it('changes nothing after a round that drafted nothing', () => {
    const state = { threshold: 0.7, acceptanceRate: 0.3 }
    const session = adaptive({ state }).start(start)
    session.observe!(report([0, 0], [0, 0]))
    assert.deepEqual(state, { threshold: 0.7, acceptanceRate: 0.3 })
  })

  it('takes the sequences of a batch one after the other', () => {
    const together = adaptiveState()
    const apart = adaptiveState()
    adaptive({ state: together }).start(start).observe!(report([4, 4], [0, 0], [3, 1]))
    const session = adaptive({ state: apart }).start(start)
    session.observe!(report([4, 4]))
    session.observe!(report([3, 1]))
    assert.deepEqual(together, apart)
  })

  it('ends a round after a token whose confidence is below the threshold of the moment', () => {
    const state = adaptiveState()
    const session = adaptive({ state }).start(start)
    const { most, goesOn } = session.next(ask)
    assert.equal(most, 12)
    assert.deepEqual([goesOn!(0.6), goesOn!(0.5999)], [true, false])
    for (let round = 0; round < 5; round++) session.observe!(report([2, 0]))
    assert.deepEqual([session.next(ask).goesOn!(0.6049), session.next(ask).goesOn!(0.6051)], [false, true])
  })

  it('carries a state from generation to generation, and otherwise starts anew', () => {
    const state = adaptiveState()
    const carried = adaptive({ state })
    for (let prompt = 0; prompt < 10; prompt++) carried.start(start).observe!(report([4, 0]))
    near(state, 0.61, 0)
    const anew = adaptive()
    for (let prompt = 0; prompt < 10; prompt++) {
      const session = anew.start(start)
      assert.equal(session.next(ask).goesOn!(0.6), true)
      session.observe!(report([4, 0]))
      assert.equal(session.next(ask).goesOn!(0.6), false)
    }
  })

  it('refuses shares that are none, half a token, and what is no state', () => {
    for (const name of ['alpha', 'beta1', 'beta2', 'step'] as const) {
      for (const value of [-0.1, 1.1, Number.NaN]) {
        assert.throws(() => adaptive({ [name]: value }), { code: 'ERR_ARGUMENT', message: new RegExp(`${name} is`) })
      }
    }
    for (const most of [-1, 1.5]) assert.throws(() => adaptive({ most }), { code: 'ERR_ARGUMENT' })
    for (const state of [{}, { threshold: Number.NaN, acceptanceRate: 0 }, { threshold: 0.5 }, null]) {
      assert.throws(() => adaptive({ state: state as never }), { code: 'ERR_ARGUMENT', message: /state carried/ })
    }
    assert.throws(() => adaptive(null as never), { code: 'ERR_ARGUMENT' })
  })
})
