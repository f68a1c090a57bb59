// What the cost model is made of, against figures computed by hand.
import assert from 'node:assert/strict'
import { bookkeeping } from '../../decode/draft-length/bookkeeping.ts'
import { calibration } from '../../decode/draft-length/calibration.ts'
import { ledger } from '../../decode/draft-length/ledger.ts'
import { pace } from '../../decode/draft-length/pace.ts'
import { roundCost } from '../../decode/draft-length/pass-costs.ts'
import { recentMedian } from '../../decode/draft-length/recent-median.ts'
import { roundCurve } from '../../decode/draft-length/round-curve.ts'
import { roundTimes } from '../../decode/draft-length/round-times.ts'
import { survival } from '../../decode/draft-length/survival.ts'

const near = (found: number, expected: number, within = 1e-12): void =>
  assert.ok(Math.abs(found - expected) <= within, `${found}, expected ${expected}`)

describe('survival by depth', () => {
  it('counts accepted tokens and the one rejected, and nothing deeper', () => {
    const found = survival({ first: () => 0.5 })
    found.observe({ drafted: 3, accepted: 1 }) // depth 1 held, depth 2 did not, depth 3 was not seen
    near(found.chance(1), (1 + 2 * 0.5) / (1 + 2))
    near(found.chance(2), (0 + 2 * (2 / 3)) / (1 + 2))
    near(found.chance(3), found.chance(2))
    near(found.tokens(2), 1 + 2 / 3 + (2 / 3) * (4 / 9))
  })

  it('takes a round that was accepted whole as censored, not as rejected', () => {
    const found = survival({ first: () => 0.5 })
    for (let round = 0; round < 300; round++) found.observe({ drafted: 2, accepted: 2 })
    assert.ok(found.chance(3) > 0.98)
  })

  it('finds the chances that drafts of mixed lengths were made with', () => {
    const chances = [0.9, 0.6, 0.8]
    const found = survival({ first: () => 0.5 })
    // Of every 50 rounds: 5 end at depth 1, 18 of the 45 others at depth 2, unless they were of one token only.
    const outcomes = [...Array(50).keys()].map((i) => (i < 5 ? 0 : i < 23 ? 1 : i < 28 ? 2 : 3))
    for (let times = 0; times < 20; times++) {
      for (let i = 0; i < 50; i++) {
        const accepted = outcomes[(i * 7) % 50]!
        for (const drafted of [1, 3]) found.observe({ drafted, accepted: Math.min(drafted, accepted) })
      }
    }
    for (const [at, chance] of chances.entries()) near(found.chance(at + 1), chance, 0.05)
  })

  it('lets a prior count for 8 rounds', () => {
    const found = survival({ first: () => 0.5, prior: [0.75, 0.5] })
    near(found.chance(1), (6 + 1) / (8 + 2))
    for (let round = 0; round < 40; round++) found.observe({ drafted: 2, accepted: 0 })
    assert.ok(found.chance(1) < 0.2)
  })

  it('follows a change, and at once where what was before has faded', () => {
    const [slow, quick] = [survival({ first: () => 0.5 }), survival({ first: () => 0.5 })]
    for (const found of [slow, quick]) for (let i = 0; i < 200; i++) found.observe({ drafted: 1, accepted: 0 })
    quick.fade(3)
    near(quick.chance(1), slow.chance(1), 0.2)
    for (let i = 0; i < 5; i++) for (const found of [slow, quick]) found.observe({ drafted: 1, accepted: 1 })
    assert.ok(slow.chance(1) < 0.2 && quick.chance(1) > 0.5)
    for (let i = 0; i < 40; i++) slow.observe({ drafted: 1, accepted: 1 })
    assert.ok(slow.chance(1) > 0.5)
  })
})

describe('the median of recent figures', () => {
  it('bears outliers, and forgets what is old', () => {
    const recent = recentMedian({ size: 5 })
    assert.ok(Number.isNaN(recent.median))
    for (const figure of [1, 50, 1, 1.1, 50]) recent.add(figure)
    assert.equal(recent.median, 1.1)
    for (const figure of [1.1, 1.15, 1.2]) recent.add(figure)
    assert.deepEqual([recent.count, recent.median], [5, 1.15])
  })

  it('starts anew with the fourth figure in a row on one side, up or down', () => {
    for (const other of [2, 0.5]) {
      const recent = recentMedian({ size: 16 })
      for (let i = 0; i < 16; i++) recent.add(1)
      for (let i = 0; i < 3; i++) recent.add(other)
      assert.equal(recent.median, 1)
      recent.add(other)
      assert.deepEqual([recent.count, recent.median], [4, other])
    }
  })
})

describe('what a round should cost', () => {
  it('is k draft passes and a pass of k + 1 rows, over a plain one of as many sequences', () => {
    const costs = { draft: 0.5, verify: [1, 1.25, 1.5, 2] }
    near(roundCost({ runs: true, length: 2, lanes: 1 }, costs), 2 * 0.5 + 1.5)
    near(roundCost({ runs: false, length: 2, lanes: 1 }, costs), 1.5)
    near(roundCost({ runs: true, length: 1, lanes: 2 }, costs), 0.5 + 2 / 1.25)
    near(roundCost({ runs: false, length: 5, lanes: 1 }, costs), 3) // goes on by 0.5 a row
  })

  it('does not count the part of verification that drafting has done, and guesses have not', () => {
    const costs = { draft: 0.5, verify: [1, 1.25, 1.5], prefix: 0.2 }
    near(roundCost({ runs: true, length: 2, lanes: 1 }, costs), 2 * 0.5 + 0.2 + 0.8 * 1.5)
    near(roundCost({ runs: true, length: 1, lanes: 2 }, costs), 0.5 + 0.2 + 0.8 * (1.75 / 1.25))
    near(roundCost({ runs: false, length: 2, lanes: 1 }, costs), 1.5)
  })

  it('follows what rounds of other lengths took', () => {
    const curve = roundCurve({ runs: true, lanes: 1, prior: undefined })
    const taken = (length: number): number => 1 + 0.3 * length
    for (let round = 0; round < 40; round++) for (const length of [1, 3]) curve.add(length, taken(length))
    for (const length of [1, 2, 3, 6, 12]) near(curve.ratio(length), taken(length), 0.03 * length)
  })
})

describe('a confidence', () => {
  it('is taken at its word until more is known', () => {
    const found = calibration()
    for (const confidence of [0, 0.05, 0.5, 1]) near(found.acceptance(confidence), confidence)
    // Of the tokens after a rejected one nothing is known.
    for (let round = 0; round < 200; round++) found.observe([0.95, 0.95, 0.65, 0.95, 0.25], 2)
    assert.ok(found.acceptance(0.95) > 0.98 && found.acceptance(0.65) < 0.06)
    near(found.acceptance(0.25), 0.25)
  })
})

describe('the ledger', () => {
  it('holds the time lost against as many plain rounds, and allows 2 % and one round', () => {
    const books = ledger()
    for (let round = 0; round < 50; round++) books.add({ ms: 30, plainMs: 10, tokens: 1, kind: 'plain' })
    assert.deepEqual([books.lostMs, books.exceeded], [0, false])
    books.add({ ms: 25, plainMs: 10, tokens: 1, kind: 'drafting' })
    near(books.lostMs, 15)
    near(books.allowedMs, 0.02 * 510 + 25)
    for (let round = 0; round < 2; round++) books.add({ ms: 25, plainMs: 10, tokens: 1, kind: 'drafting' })
    assert.equal(books.exceeded, true)
    for (let round = 0; round < 50; round++) books.add({ ms: 10, plainMs: 10, tokens: 1, kind: 'plain' })
    assert.equal(books.exceeded, false)
  })

  it('counts gains for as much as may be lost, no more', () => {
    const books = ledger()
    for (let round = 0; round < 100; round++) books.add({ ms: 20, plainMs: 10, tokens: 4, kind: 'drafting' })
    near(books.lostMs, -books.allowedMs)
    near(books.allowedMs, 0.02 * 4000 + 20)
  })

  it('lets attempts lose 1 % and one plain round, whatever drafting gained', () => {
    const books = ledger()
    for (let round = 0; round < 100; round++) books.add({ ms: 20, plainMs: 10, tokens: 4, kind: 'drafting' })
    assert.deepEqual([books.affords(50, 'run'), books.affords(50.1, 'run')], [true, false])
    books.add({ ms: 40, plainMs: 10, tokens: 1, kind: 'run' })
    assert.deepEqual([books.affords(20.1, 'run'), books.affords(20.2, 'run')], [true, false])
  })

  it('takes nothing of what attempts at drafts lose from attempts at guesses', () => {
    const books = ledger()
    for (let round = 0; round < 100; round++) books.add({ ms: 10, plainMs: 10, tokens: 1, kind: 'plain' })
    books.add({ ms: 60, plainMs: 10, tokens: 1, kind: 'run' })
    assert.deepEqual([books.affords(0, 'run'), books.affords(20, 'guess')], [false, true])
    books.add({ ms: 25, plainMs: 10, tokens: 1, kind: 'guess' })
    assert.deepEqual([books.affords(5.1, 'guess'), books.affords(5.3, 'guess')], [true, false]) // 1 % of 1020 and 10, less 15
  })

  it('counts an attempt by what would have been made instead', () => {
    const books = ledger()
    for (let round = 0; round < 100; round++) books.add({ ms: 10, plainMs: 10, tokens: 1, kind: 'plain' })
    books.add({ ms: 10, plainMs: 10, tokens: 1, kind: 'run', instead: 2 })
    near(books.lostMs, 0)
    assert.deepEqual([books.affords(15, 'run'), books.affords(15.2, 'run')], [true, false]) // 1 % of 1010 and 10, less 5
  })
})

describe('rounds on hold', () => {
  const none = { tokens: 1, ratio: 1 }
  const drafted = (ms: number, accepted: number) => ({
    ...{
      lanes: [{ draft: 'skip', limit: 1, drafted: 1, accepted }],
      ms,
      draftPasses: 1,
      draftMs: 0,
      rows: 2,
      verifyMs: 0,
    },
  })
  const plain = {
    ...drafted(10, 0),
    lanes: [{ draft: undefined, limit: 0, drafted: 0, accepted: 0 }],
    draftPasses: 0,
    rows: 1,
  }

  /** Books after plain rounds of 10 ms. */
  function after(): { times: ReturnType<typeof roundTimes>; books: ReturnType<typeof ledger> } {
    const [times, books] = [roundTimes(undefined), ledger()]
    for (let round = 0; round < 5; round++) {
      times.record(plain)
      books.add({ ms: 10, plainMs: 10, tokens: 1, kind: 'plain' })
    }
    return { times, books }
  }

  it('are entered by what plain rounds took on both sides of them', () => {
    const { times, books } = after()
    const [waiting, own] = [bookkeeping({ times, ledger: books }), pace({ hasPrior: false })]
    waiting.hold({ round: drafted(18, 0), tokens: 1, pace: own }, 10)
    near(books.lostMs, 8)
    assert.ok(own.speedup(none) < 0.9 && waiting.holds(own))
    waiting.release(18)
    near(books.lostMs, 0)
    near(own.speedup(none), 1)
    assert.deepEqual([waiting.lanes, waiting.holds(own)], [undefined, false])
  })

  it('take nothing from what is entered meanwhile', () => {
    const found = pace({ hasPrior: false })
    found.expect({ tokens: 3, ratio: 2 })
    found.add({ tokens: 100, ratio: 1 })
    found.settle()
    near(found.speedup(none), (100 + 4) / (1 + 4))
  })

  it('gain no more than may be lost', () => {
    const { books } = after()
    for (let round = 0; round < 32; round++) books.expect({ ms: 20, plainMs: 10, tokens: 4, kind: 'drafting' })
    near(books.lostMs, -books.allowedMs)
    for (let round = 0; round < 5; round++) books.expect({ ms: 20, plainMs: 10, tokens: 1, kind: 'drafting' })
    assert.equal(books.exceeded, true)
  })
})

describe('what a plain round took', () => {
  it('is the mean of before and after a stretch of drafting, once the rounds after it agree', () => {
    const times = roundTimes(undefined)
    const round = (ms: number, drafted: number) =>
      times.record({
        ...{ lanes: [{ draft: drafted ? 'skip' : undefined, limit: drafted, drafted, accepted: drafted }], ms },
        ...{ draftPasses: drafted, draftMs: 0, rows: drafted + 1, verifyMs: ms },
      })
    for (let i = 0; i < 3; i++) round(10, 0)
    near(times.endStretch(1)!, 10)
    for (let i = 0; i < 3; i++) round(30, 1)
    round(20, 0)
    assert.equal(times.endStretch(1), undefined)
    assert.ok(times.needsPlain(1))
    for (let i = 0; i < 3; i++) round(20, 0)
    near(times.endStretch(1)!, 15)
  })
})
