// What the draft has done below its first skipped sublayer verification takes over, or does anew: the tokens are the same, and
// the work differs by exactly that.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model, type SkipSet } from 'drafthorse'
import type { GenerateOptions } from 'drafthorse/decode'
import { planSkip } from 'drafthorse/model'
import { folderOf } from '../checkpoints.ts'
import { someSkipped } from './drafts.ts'
import { outcome, skipping } from './generations.ts'

const prompt = [3, 4, 5, 3, 4, 5, 3, 4]

const sets: Readonly<Record<string, SkipSet>> = {
  'the first sublayer': skipping([0], 'attention'),
  'the second sublayer': skipping([0], 'mlp'),
  'some in the middle': someSkipped,
  'the last sublayer': skipping([3], 'mlp'),
  nothing: skipping([]),
  everything: skipping([0, 1, 2, 3]),
}

for (const backend of ['reference', 'wasm']) {
  describe(`the prefix of a draft on ${backend}`, () => {
    const maxNewTokens = backend === 'wasm' ? 16 : 7
    let model: Model
    before(async () => {
      model = await loadModel(folderOf('llama2-f32'), { backend })
    })
    after(() => model.dispose())

    for (const [name, skip] of Object.entries(sets)) {
      it(`is run again without its reuse, and nothing else: skipping ${name}`, async () => {
        const { first } = planSkip(skip, model.config.numHiddenLayers)
        for (const way of [{}, { temperature: 0.9, seed: 2 }]) {
          const plain = await generate(model, prompt, { ...way, maxNewTokens, ignoreEos: true, draft: 'none' }).result
          for (const draft of ['skip', 'cascade'] as const) {
            for (const draftLength of [1, 4, 'threshold'] as const) {
              const settings: GenerateOptions = { ...way, maxNewTokens, ignoreEos: true, draft, skip, draftLength }
              const [kept, again] = await Promise.all([
                generate(model, prompt, settings).result,
                generate(model, prompt, { ...settings, reusePrefix: false }).result,
              ])
              assert.deepEqual(outcome(kept), outcome(plain))
              assert.deepEqual(outcome(again), outcome(plain))
              assert.ok(kept.stats.draftPasses > 0)
              assert.equal(again.stats.draftPasses, kept.stats.draftPasses)
              assert.equal(again.stats.draftedTokens, kept.stats.draftedTokens)
              assert.deepEqual(again.stats.acceptedByRound, kept.stats.acceptedByRound)
              assert.equal(again.stats.sublayersRun - kept.stats.sublayersRun, kept.stats.draftPasses * first)
            }
          }
        }
      })
    }
  })
}
