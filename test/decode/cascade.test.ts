// Drafts in a row: which parts a cascade has, in which order, and what it refuses.
import assert from 'node:assert/strict'
import { cascade, promptLookup, type SingleDraft } from 'drafthorse/decode'

const named = (name: string): SingleDraft => ({ ...promptLookup(), name })

describe('a cascade of drafts', () => {
  const [first, second, third] = [named('first'), named('second'), named('third')] as const

  it('has its drafts as parts, in their order, and is called by them', () => {
    const drafts = cascade(second, first)
    assert.deepEqual(drafts.parts, [second, first])
    assert.equal(drafts.name, 'second, then first')
    assert.equal(cascade(first).name, 'first')
  })

  it('has the parts of cascades among its drafts in their place', () => {
    assert.deepEqual(cascade(first, cascade(second, third)).parts, [first, second, third])
    assert.deepEqual(cascade(cascade(cascade(first), second), third).parts, [first, second, third])
  })

  it('of nothing is refused with a typed error', () => {
    assert.throws(() => cascade(), { code: 'ERR_ARGUMENT', message: /no drafts/ })
    assert.throws(() => cascade({ name: 'empty', parts: [] }), { code: 'ERR_ARGUMENT', message: /no drafts/ })
  })

  it('of two drafts by one name is refused with a typed error that names it', () => {
    assert.throws(() => cascade(first, cascade(second, named('first'))), { code: 'ERR_ARGUMENT', message: /"first"/ })
  })
})
