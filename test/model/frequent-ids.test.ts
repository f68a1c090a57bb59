// The most frequent tokens of a text: by count, then by id.
import assert from 'node:assert/strict'
import { mostFrequentIds } from 'drafthorse/model'
import fc from 'fast-check'

describe('mostFrequentIds', () => {
  it('takes the most frequent, of equals the lowest, and gives them in ascending order', () => {
    const text = [7, 5, 5, 9, 9, 9, 2]
    assert.deepEqual(mostFrequentIds(text, { size: 1, vocabSize: 10 }), [9])
    assert.deepEqual(mostFrequentIds(text, { size: 2, vocabSize: 10 }), [5, 9])
    assert.deepEqual(mostFrequentIds(text, { size: 3, vocabSize: 10 }), [2, 5, 9])
    assert.deepEqual(mostFrequentIds(text, { size: 4, vocabSize: 10 }), [2, 5, 7, 9])
  })

  it('fills up with the lowest ids that the text does not have', () => {
    assert.deepEqual(mostFrequentIds([7, 1], { size: 5, vocabSize: 10 }), [0, 1, 2, 3, 7])
    assert.deepEqual(mostFrequentIds([], { size: 3, vocabSize: 10 }), [0, 1, 2])
    assert.deepEqual(mostFrequentIds([3], { size: 4, vocabSize: 4 }), [0, 1, 2, 3])
  })

  it('leaves out nothing that is more frequent, or as frequent and lower, than what it takes', () => {
    const vocabSize = 12
    const texts = fc.array(fc.nat(vocabSize - 1), { maxLength: 60 })
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: vocabSize }), (text, size) => {
        const taken = mostFrequentIds(text, { size, vocabSize })
        assert.equal(new Set(taken).size, size)
        const count = (id: number): number => text.filter((each) => each === id).length
        for (let out = 0; out < vocabSize; out++) {
          if (taken.includes(out)) continue
          for (const id of taken) assert.ok(count(id) > count(out) || (count(id) === count(out) && id < out))
        }
      }),
    )
  })

  it('refuses sizes and ids that the vocabulary does not have', () => {
    for (const size of [0, 11, 1.5, Number.NaN]) {
      const message = new RegExp(`1 to 10 tokens of this model's, not ${size}`)
      assert.throws(() => mostFrequentIds([1], { size, vocabSize: 10 }), { code: 'ERR_ARGUMENT', message })
    }
    for (const id of [10, -1, 0.5]) {
      const message = new RegExp(`token 1 of the text is ${id}; the vocabulary has ids 0 to 9`)
      assert.throws(() => mostFrequentIds([1, id], { size: 2, vocabSize: 10 }), { code: 'ERR_ARGUMENT', message })
    }
  })
})
