// Guesses that were not verified: what they are found to have been worth, when, and that the score is not biased.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type GuessScores, guessScores } from '../../decode/draft/guess-scores.ts'
import type { LaneReport } from '../../decode/draft-length/draft-length.ts'
import { noiseAt } from '../../decode/random.ts'

const lookup = { draft: 'lookup', kind: 'match 2' }

describe('scores of guesses that were not verified', () => {
  it('say how many tokens of a guess came, in rounds of any length, once all could have come', () => {
    const scores = guessScores()
    scores.expect({ ...lookup, tokens: [1, 2, 3, 4] })
    assert.deepEqual(scores.commit([1]), [])
    assert.deepEqual(scores.commit([2, 9]), []) // failed, and told with those that still hold
    assert.deepEqual(scores.commit([4, 5]), [{ ...lookup, limit: 4, drafted: 4, accepted: 2 }])
    assert.deepEqual(scores.commit([6]), [])
    assert.deepEqual(scores.finish(), [])
  })

  it('tell drafts apart that guessed at one place, and guess again before older guesses are due', () => {
    const scores = guessScores()
    scores.expect({ ...lookup, tokens: [1, 2, 3] })
    scores.expect({ draft: 'mine', tokens: [1] })
    assert.deepEqual(scores.commit([1]), [{ draft: 'mine', kind: undefined, limit: 1, drafted: 1, accepted: 1 }])
    scores.expect({ ...lookup, kind: 'agrees', tokens: [7, 3] })
    assert.deepEqual(scores.commit([2, 3]), [
      { ...lookup, limit: 3, drafted: 3, accepted: 3 },
      { ...lookup, kind: 'agrees', limit: 2, drafted: 2, accepted: 0 },
    ])
  })

  it('of guesses that the end of the text cut off count the tokens that came, and nothing behind them', () => {
    const scores = guessScores()
    scores.expect({ ...lookup, tokens: [1, 2, 3, 4] })
    scores.commit([1])
    scores.expect({ ...lookup, tokens: [8, 3, 4, 5] })
    scores.commit([2])
    scores.expect({ ...lookup, tokens: [3] })
    assert.deepEqual(scores.finish(), [
      { ...lookup, limit: 4, drafted: 2, accepted: 2 },
      { ...lookup, limit: 4, drafted: 1, accepted: 0 },
    ])
    assert.deepEqual(scores.finish(), [])
  })

  it('are what a comparison of each guess with the text gives', () => {
    const ids = fc.integer({ min: 0, max: 1 })
    const rounds = fc.array(
      fc.record({ guess: fc.array(ids, { maxLength: 5 }), came: fc.array(ids, { minLength: 1, maxLength: 4 }) }),
    )
    fc.assert(
      fc.property(rounds, (steps) => {
        const scores = guessScores()
        const text = steps.flatMap(({ came }) => came)
        const expected: string[] = []
        const reports: LaneReport[] = []
        let at = 0
        for (const { guess, came } of steps) {
          scores.expect({ ...lookup, tokens: guess })
          reports.push(...scores.commit(came))
          const drafted = Math.min(guess.length, text.length - at)
          const wrong = guess.findIndex((token, i) => token !== text[at + i])
          const accepted = Math.min(wrong < 0 ? drafted : wrong, drafted)
          if (drafted > 0) expected.push(JSON.stringify({ ...lookup, limit: guess.length, drafted, accepted }))
          at += came.length
        }
        reports.push(...scores.finish())
        assert.deepEqual(reports.map((report) => JSON.stringify(report)).sort(), expected.sort())
      }),
    )
  })

  it('wait for no more guesses than the longest has tokens', () => {
    const scores = guessScores()
    let waiting = 0
    for (let round = 0; round < 100; round++) {
      scores.expect({ ...lookup, tokens: [1, 2, 3, 4, 5] })
      waiting += 1 - scores.commit([1]).length
      assert.ok(waiting < 5)
    }
  })

  it('are right on average at any time, also while guesses are under way and when the text ends', () => {
    const [chance, length, texts] = [0.7, 6, 1000]
    for (const rounds of [2, 7, 20]) {
      for (const ends of [false, true]) {
        let [accepted, tried] = [0, 0]
        const count = (reports: readonly LaneReport[]): void => {
          for (const report of reports) {
            accepted += report.accepted
            tried += Math.min(report.accepted + 1, report.drafted)
          }
        }
        for (let text = 0; text < texts; text++) {
          const scores: GuessScores = guessScores()
          for (let round = 0; round < rounds; round++) {
            // One guess every second round, of ones; the text has them at this chance.
            if (round % 2 === 0) scores.expect({ ...lookup, tokens: Array<number>(length).fill(1) })
            const hit = noiseAt(text, 1, round).bits(0) < chance * 2 ** 32
            count(scores.commit([hit ? 1 : 0]))
          }
          if (ends) count(scores.finish())
        }
        if (!ends && rounds < length) assert.equal(tried, 0)
        else assert.ok(Math.abs(accepted / tried - chance) < 0.03, `${rounds} ${ends}: ${accepted / tried}`)
      }
    }
  })
})
