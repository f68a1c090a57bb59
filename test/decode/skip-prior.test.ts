// What is known of a set that drafts skip, and when: policies of draft length start from it.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import type { DraftLength, GenerateOptions } from 'drafthorse/decode'
import type { DraftCosts, SkipPrior } from 'drafthorse/model'
import { folderOf } from '../checkpoints.ts'

const prompt = [168, 102, 252]
const skip = { attention: [1, 2], mlp: [1] }
const same = { attention: [2, 1, 2], mlp: [1] }
const other = { attention: [3], mlp: [] }

function priorOf(draft: number, { backend = 'reference', survival = [0.5] } = {}): SkipPrior {
  return { costs: [{ backend, dtype: 'f32', threads: 1, draft, verify: [1, 1.25] }], survival }
}

describe('what a policy is told of drafting with a set', () => {
  let bare: Model
  let owning: Model
  before(async () => {
    bare = await loadModel(folderOf('llama2-f32'), { backend: 'reference' })
    const draftCosts: DraftCosts = { draft: 0.25, verify: [1, 1.25], survival: [0.5] }
    const own = { skip, skipPrior: priorOf(0.25), draftCosts }
    owning = Object.create(bare, Object.getOwnPropertyDescriptors(own))
  })
  after(() => bare.dispose())

  /** The cost of a draft pass that a policy is told. */
  async function told(model: Model, options: GenerateOptions): Promise<number | undefined> {
    const heard: (DraftCosts | undefined)[] = []
    const draftLength: DraftLength = {
      name: 'hearing',
      start({ prior }) {
        heard.push(prior)
        return { next: () => ({ most: 1 }) }
      },
    }
    await generate(model, prompt, { maxNewTokens: 1, ...options, draftLength }).result
    assert.equal(heard.length, 1)
    return heard[0]?.draft
  }

  it('is what the model knows of its own set, given or not', async () => {
    assert.equal(await told(owning, {}), 0.25)
    assert.equal(await told(owning, { skip }), 0.25)
    assert.equal(await told(owning, { skip: same }), 0.25)
    assert.equal(await told(owning, { skip: other }), undefined)
    assert.equal(await told(owning, { exitLayer: 2 }), undefined)
    assert.equal(await told(bare, { skip }), undefined)
  })

  it('is what skipPrior says of this backend, and else what the model knows', async () => {
    const skipPrior = priorOf(0.75)
    assert.equal(await told(bare, { skip: other, skipPrior }), 0.75)
    assert.equal(await told(bare, { exitLayer: 2, skipPrior }), 0.75)
    assert.equal(await told(owning, { skip, skipPrior }), 0.75)
    const elsewhere = priorOf(0.75, { backend: 'wasm' })
    assert.equal(await told(bare, { skip, skipPrior: elsewhere }), undefined)
    assert.equal(await told(owning, { skip, skipPrior: elsewhere }), 0.25)
    assert.equal(await told(owning, { skip: other, skipPrior: elsewhere }), undefined)
  })

  it('is nothing where no layers draft', async () => {
    const skipPrior = priorOf(0.75)
    for (const draft of ['none', 'lookup'] as const) {
      assert.equal(await told(owning, { draft }), undefined)
      assert.equal(await told(owning, { draft, skip, skipPrior }), undefined)
    }
  })
})
