// Prompt lookup: what it finds, how it calls it, what it costs, and that the text stays the model's own.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import { promptLookup } from 'drafthorse/decode'
import fc from 'fast-check'
import { suffixIndex } from '../../decode/draft/suffix-index.ts'
import { folderOf } from '../checkpoints.ts'
import { outcome } from './generations.ts'
import { proposing, startGuessing } from './guessing.ts'
import { searchBack } from './lookup-by-search.ts'

describe('the index of what stood before', () => {
  const texts = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 60 })

  it('finds what a search of the whole text finds, however the text grew', () => {
    fc.assert(
      fc.property(
        texts,
        fc.integer({ min: 1, max: 6 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 4 })),
        (text, longest, steps) => {
          const index = suffixIndex(longest)
          for (let length = 1; length <= text.length; length += steps.next().value) {
            const history = text.slice(0, length)
            const { length: met, next } = searchBack(history, longest)
            const followers = next.map((at) => history[at])
            const differing = followers.findIndex((token) => token !== followers[0])
            const expected = {
              length: met,
              next: next[0],
              times: next.length,
              agreeing: differing < 0 ? followers.length : differing,
            }
            assert.deepEqual(index.find(history), met > 0 ? expected : undefined)
          }
        },
      ),
    )
  })

  it('keeps contexts apart however large the ids and however many the contexts', () => {
    const vocabulary = 262_144
    const ids = Array.from({ length: 4000 }, (_, i) => (i * 65_537) % vocabulary)
    const index = suffixIndex(4)
    assert.equal(index.find(ids), undefined) // all different
    const again = [...ids, ...ids.slice(2000, 2004)]
    assert.deepEqual(index.find(again), { length: 4, next: 2004, times: 1, agreeing: 1 })
  })

  it('looks at each token of a long text a few times, and not at the whole text for each', () => {
    let looks = 0
    const history: number[] = []
    const counted = new Proxy(history, {
      get(target, key) {
        if (key !== 'length') looks++
        return Reflect.get(target, key)
      },
    })
    const index = suffixIndex(4)
    const length = 2000
    while (history.length < length) {
      history.push(history.length ** 2 % 7)
      index.find(counted)
    }
    assert.ok(looks < 20 * length, `${looks}`)
  })
})

describe('prompt lookup', () => {
  let model: Model
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'))
  })
  after(() => model.dispose())

  const guess = (history: readonly number[], limit: number, options = {}) =>
    startGuessing(promptLookup(options), model).guess(history, limit)

  it('guesses what followed the longest match, of several the latest', () => {
    const history = [1, 2, 3, 50, 9, 2, 3, 60, 61, 62, 9, 2, 3, 70, 3, 80, 9, 2, 3]
    assert.deepEqual(guess(history, 2).tokens, [70, 3])
    assert.deepEqual(guess([1, 2, 3, 50, 7, 3, 60, 61, 2, 3], 2).tokens, [50, 7]) // 3 alone was met later
  })

  it('goes on with the guess itself where it reaches the end of the text', () => {
    assert.deepEqual(guess([7, 1, 2, 3, 1, 2, 3, 1], 7).tokens, [2, 3, 1, 2, 3, 1, 2])
    assert.deepEqual(guess([4, 4], 3).tokens, [4, 4, 4])
  })

  it('guesses nothing where nothing was met, or less than the shortest match', () => {
    assert.deepEqual(guess([5], 3).tokens, [])
    assert.deepEqual(guess([1, 2, 3], 3).tokens, [])
    assert.deepEqual(guess([1, 2, 3, 2], 3, { shortest: 2 }).tokens, [])
    assert.deepEqual(guess([1, 2, 3, 1, 2], 1, { shortest: 2 }).tokens, [3])
    assert.deepEqual(guess([1, 2, 3, 4, 1, 2, 3], 1, { longest: 1 }).tokens, [4])
  })

  it('calls guesses by how far to trust them', () => {
    for (const [history, kind, options] of [
      [[1, 9, 1], 'match 1', {}],
      [[1, 2, 9, 1, 2], 'match 2', {}],
      [[1, 2, 9, 1, 2], 'match 2+', { longest: 2 }],
      [[1, 2, 3, 9, 1, 2, 3], 'match 3', {}],
      [[1, 2, 3, 4, 9, 1, 2, 3, 4], 'match 4+', {}],
      [[1, 2, 3, 4, 5, 6, 9, 1, 2, 3, 4, 5, 6], 'match 4+', { longest: 6 }],
      [[1, 9, 1, 9, 8, 1], 'agrees', {}],
      [[1, 8, 1, 9, 7, 1], 'differs', {}],
      [[1, 8, 1, 9, 5, 1, 9, 7, 1], 'differs', {}],
      [[5, 1, 8, 6, 1, 9, 5, 1], 'match 2', {}], // where 5 stood before 1 there was but one
    ] as const) {
      assert.equal(guess(history, 1, options).kind, kind, `${history}`)
    }
  })

  it('keeps each generation to itself', () => {
    const draft = promptLookup()
    const [first, second] = [startGuessing(draft, model), startGuessing(draft, model)]
    assert.deepEqual(first.guess([1, 2, 1], 1).tokens, [2])
    assert.deepEqual(second.guess([1, 3, 1], 1).tokens, [3])
    assert.deepEqual(first.guess([1, 2, 1, 2], 1).tokens, [1])
  })

  it('leaves the text as plain decoding gives it, and brings some of it', async () => {
    const settings = { maxNewTokens: 24, ignoreEos: true }
    for (const prompt of [
      [168, 102, 252, 316, 115, 7],
      [3, 4, 3, 4, 3, 4],
    ]) {
      const plain = await generate(model, prompt, { ...settings, draft: 'none' }).result
      for (const draftLength of [1, 6]) {
        for (const draft of [promptLookup(), proposing(promptLookup())]) {
          const drafted = await generate(model, prompt, { ...settings, draft, draftLength }).result
          assert.deepEqual(outcome(drafted), outcome(plain))
        }
        const { stats } = await generate(model, prompt, { ...settings, draft: proposing(promptLookup()), draftLength })
          .result
        assert.ok(stats.acceptedTokens > 0)
      }
    }
  })

  it('refuses options that make no sense with a typed error', () => {
    for (const options of [
      { longest: 0 },
      { longest: 65 },
      { longest: 2.5 },
      { longest: Number.NaN },
      { shortest: 0 },
      { shortest: 5 },
      { longest: 2, shortest: 3 },
      { shortest: 1.5 },
    ]) {
      assert.throws(() => promptLookup(options), { code: 'ERR_ARGUMENT', message: /match is [\d.NaN]+ tokens/ })
    }
    assert.throws(() => Reflect.apply(promptLookup, undefined, [4]), { code: 'ERR_ARGUMENT', message: /options/ })
  })
})
