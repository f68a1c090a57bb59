// Skip sets, checked against a model's layers and put in the order in which sublayers run.
import assert from 'node:assert/strict'
import { noSkip, planSkip, type SkipSet } from 'drafthorse/model'

describe('planSkip', () => {
  it('numbers attention 2i and MLP 2i + 1', () => {
    const { skipped, first, run } = planSkip({ attention: [2], mlp: [0, 2] }, 3)
    assert.deepEqual(skipped, [false, true, false, false, true, true])
    assert.deepEqual({ first, run }, { first: 1, run: 3 })
  })

  it('runs everything when nothing is skipped, and nothing when everything is', () => {
    assert.deepEqual(planSkip(noSkip, 2), { skipped: [false, false, false, false], first: 4, exits: false, run: 4 })
    assert.deepEqual(planSkip({ attention: [1, 0], mlp: [0, 1] }, 2), {
      skipped: [true, true, true, true],
      first: 0,
      exits: true,
      run: 0,
    })
  })

  it('minds neither order nor repetition', () => {
    assert.deepEqual(planSkip({ attention: [3, 1, 3], mlp: [] }, 4), planSkip({ attention: [1, 3], mlp: [] }, 4))
  })

  it('refuses what is no layer of the model, naming it and the layers that there are', () => {
    for (const layer of [-1, 4, 1.5, Number.NaN]) {
      const message = new RegExp(`mlp layer ${layer}; this model has layers 0 to 3`)
      assert.throws(() => planSkip({ attention: [0], mlp: [layer] }, 4), { code: 'ERR_ARGUMENT', message })
    }
  })

  it('refuses what is no skip set, naming the key', () => {
    for (const set of [null, {}, { attention: [] }, { attention: 3, mlp: [] }, { attention: ['a'], mlp: [] }]) {
      const given = set as unknown as SkipSet // as it may come from JavaScript
      assert.throws(() => planSkip(given, 4), { code: 'ERR_ARGUMENT', message: /attention|mlp/ })
    }
  })
})
