// The example draft: what it learns from a text, that its guesses are verified, and that they change no token.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import { followUps } from '../../examples/drafts/follow-ups.ts'
import { outcome } from '../decode/generations.ts'
import { proposing, startGuessing } from '../decode/guessing.ts'

describe('the example of a draft', () => {
  let model: Model
  before(async () => {
    model = await loadModel('stories')
  })
  after(() => model.dispose())

  it('guesses what most often followed two tokens, as long as it knows a follow-up', () => {
    const session = startGuessing(followUps([1, 2, 5, 1, 2, 6, 9, 1, 2, 6]), model)
    assert.deepEqual(session.guess([4, 1, 2], 8), { tokens: [6, 9, 1, 2, 6, 9, 1, 2], kind: 'likely' })
    assert.deepEqual(session.guess([4, 1, 2, 5], 1), { tokens: [1], kind: 'likely' })
    assert.deepEqual(session.guess([6, 9, 9], 3), { tokens: [], kind: undefined })
    assert.deepEqual(session.guess([2], 3), { tokens: [], kind: undefined })
    assert.equal(startGuessing(followUps([1, 2, 5, 1, 2, 6]), model).guess([1, 2], 1).kind, 'unlikely')
  })

  it('brings tokens of a story when it has read others, and the story stays as it is', async () => {
    const settings = { maxNewTokens: 60 }
    const read: number[] = []
    for (const opening of ['Once upon a time', 'Tom had a red ball.']) {
      const { tokens } = await generate(model, opening, { ...settings, draft: 'none' }).result
      read.push(...tokens)
    }
    const plain = await generate(model, 'One day, a girl', { ...settings, draft: 'none' }).result
    for (const draft of [followUps(read), proposing(followUps(read))]) {
      const drafted = await generate(model, 'One day, a girl', { ...settings, draft, draftLength: 3 }).result
      assert.deepEqual(outcome(drafted), outcome(plain))
    }
    const draft = proposing(followUps(read))
    const { stats } = await generate(model, 'One day, a girl', { ...settings, draft, draftLength: 3 }).result
    assert.ok(stats.acceptedTokens > 0)
  })
})
