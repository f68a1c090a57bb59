// The cost model and early exits: what plain steps show of them takes the place of attempts.
import assert from 'node:assert/strict'
import { costModel, type RoundReport } from 'drafthorse/decode'
import { randomFor } from '../../engine/conformance/random.ts'

interface Told {
  readonly drafts: number[]
  readonly shown: number[]
  readonly ms: number
  readonly tokens: number
}

/** Rounds of a model whose early exit is right with a chance that may change; a plain step takes 10 ms, a draft pass 3. */
function decode(rounds: number, chanceAt: (round: number) => number): Told {
  const session = costModel().start({ drafts: ['skip'], freeReads: false })
  const random = randomFor(1, 'exits')
  const drafts: number[] = []
  const shown: number[] = []
  let [ms, tokens] = [0, 0]
  for (let round = 0; round < rounds; round++) {
    const chance = chanceAt(round)
    const { most } = session.next({ draft: 'skip', lanes: 1 })
    const shows = most === 0 && session.wantsExit?.('skip') === true
    if (shows) {
      shown.push(round)
      session.observeGuess?.({ draft: 'skip', limit: 1, drafted: 1, accepted: random.uniform() < chance ? 1 : 0 })
    }
    let accepted = 0
    while (accepted < most && random.uniform() < chance) accepted++
    if (most > 0) drafts.push(round)
    const report: RoundReport = {
      lanes: [{ draft: most > 0 ? 'skip' : undefined, limit: most, drafted: most, accepted }],
      ms: most > 0 ? 3 * most + 10 + most : shows ? 11 : 10,
      draftPasses: most,
      draftMs: 3 * most,
      rows: most + 1,
      verifyMs: 10 + most,
      showedExit: shows,
    }
    session.observe(report)
    ms += report.ms
    tokens += 1 + accepted
  }
  return { drafts, shown, ms, tokens }
}

describe('the cost model with an early exit', () => {
  it('never drafts with one that plain steps show to be bad, and asks them ever more seldom', () => {
    const { drafts, shown, ms, tokens } = decode(2000, () => 0.1)
    assert.deepEqual(drafts, [])
    assert.ok(shown.length >= 16 && shown.length % 8 === 0, `${shown.length} shown`)
    assert.ok(shown.length < 120, `${shown.length} shown`)
    assert.ok(ms <= 1.01 * 10 * tokens)
  })

  it('drafts with one that they show to be good', () => {
    const { drafts, shown, ms, tokens } = decode(300, () => 0.9)
    assert.ok(shown.length >= 8 && shown.length <= 24, `${shown.length} shown`)
    assert.ok(drafts[0]! <= 12, `first in round ${drafts[0]}`)
    assert.ok(ms < 0.7 * 10 * tokens)
  })

  it('finds out that one has become good', () => {
    const { drafts } = decode(1500, (round) => (round < 400 ? 0.05 : 0.9))
    assert.ok(drafts[0]! >= 400 && drafts[0]! < 800, `first in round ${drafts[0]}`)
    assert.ok(drafts.length > 500)
  })
})
