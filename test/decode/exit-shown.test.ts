// A plain step can show what an early exit would have proposed: scores for a draft that nobody has to verify.
import assert from 'node:assert/strict'
import { generate, loadModel } from 'drafthorse'
import { type DraftLength, type GenerateOptions, generateBatch, type LaneReport } from 'drafthorse/decode'
import { withOps } from 'drafthorse/engine'
import { reference } from 'drafthorse/engine/reference'
import { argmax, folderOf } from '../checkpoints.ts'
import { outcome, skipping } from './generations.ts'

const prompt = [168, 102, 252, 316, 115, 7]

/** Drafts nothing, and hears what exits would have proposed. */
function watching(heard: LaneReport[], shown: boolean[]): DraftLength {
  return {
    name: 'watching',
    start: () => ({
      next: () => ({ most: 0 }),
      wantsExit: (draft) => draft === 'skip',
      observeGuess: (report) => heard.push(report),
      observe: ({ showedExit }) => shown.push(showedExit === true),
    }),
  }
}

describe('an early exit that a plain step shows', () => {
  for (const backend of ['reference', 'wasm']) {
    for (const exitLayer of [1, 3]) {
      it(`is what the draft would have proposed, and changes nothing: ${exitLayer} layers on ${backend}`, async () => {
        await using model = await loadModel(folderOf('llama2-f32'), { backend })
        const skip = skipping(Array.from({ length: 4 - exitLayer }, (_, i) => exitLayer + i))
        const settings = { maxNewTokens: 24, ignoreEos: true }
        const plain = await generate(model, prompt, { ...settings, draft: 'none' }).result
        const heard: LaneReport[] = []
        const shown: boolean[] = []
        const options = { ...settings, draft: 'skip', exitLayer, draftLength: watching(heard, shown) } as const
        assert.deepEqual(outcome(await generate(model, prompt, options).result), outcome(plain))
        assert.deepEqual(shown, new Array(24).fill(true))
        const all = [...prompt]
        const expected: number[] = []
        for (const token of plain.tokens) {
          const logits = await model.logits(all, { skip })
          expected.push(argmax(logits.slice(-320)) === token ? 1 : 0)
          all.push(token)
        }
        assert.deepEqual(
          heard.map(({ accepted }) => accepted),
          expected,
        )
        assert.ok(heard.every(({ draft, drafted }) => draft === 'skip' && drafted === 1))
      })
    }
  }

  it('meets the noise of a sampled text, and is shown for every text of a batch', async () => {
    await using model = await loadModel(folderOf('llama2-f32'), { backend: 'reference' })
    const settings = {
      maxNewTokens: 12,
      ignoreEos: true,
      temperature: 1,
      topK: 3,
      exitLayer: 3,
      draft: 'skip',
    } as const
    const drafted: number[] = []
    for (let seed = 0; seed < 4; seed++) {
      // A draft of one token at every position of the text: what the exit shows has to agree as often.
      const { tokens } = await generate(model, prompt, { ...settings, seed, draft: 'none' }).result
      for (const [i, token] of tokens.entries()) {
        const step = { ...settings, seed, draftLength: 1, maxNewTokens: 2 } as const
        if (i === tokens.length - 1) break
        const { stats } = await generate(model, [...prompt, ...tokens.slice(0, i)], step).result
        assert.equal(stats.draftedTokens, 1)
        drafted.push(stats.acceptedTokens)
        assert.ok(token !== undefined)
      }
    }
    const heard: LaneReport[] = []
    const options = { ...settings, seed: 0, samples: 4, draftLength: watching(heard, []) }
    await generateBatch(model, [prompt], options).result
    const mine = heard.filter((_, i) => i < 4 * 11).map(({ accepted }) => accepted)
    const byText = [0, 1, 2, 3].flatMap((text) => mine.filter((_, i) => i % 4 === text))
    assert.deepEqual(byText, drafted)
    assert.ok(drafted.includes(0) && drafted.includes(1))
  })

  it('is shown only where every text of a batch allows it', async () => {
    await using model = await loadModel(folderOf('llama2-f32'), { backend: 'reference' })
    const shared = { draft: 'skip', exitLayer: 2, accept: 'rejection', maxNewTokens: 9, ignoreEos: true } as const
    const sampled = { prompt, temperature: 1, seed: 3, maxNewTokens: 5 }
    for (const texts of [
      [{ prompt }, sampled],
      [sampled, { prompt }],
    ]) {
      const shown: boolean[] = []
      const results = await generateBatch(model, texts, { ...shared, draftLength: watching([], shown) }).result
      // Together five rounds; then the text without a temperature, which is accepted by equality, goes on alone.
      assert.deepEqual(shown, [...new Array(5).fill(false), ...new Array(4).fill(true)])
      for (const [i, text] of texts.entries()) {
        const { prompt: ids, ...own } = text
        const alone = await generate(model, ids, { ...shared, ...own, draft: 'none' }).result
        assert.deepEqual(outcome(results[i]!), outcome(alone))
      }
    }
  })

  it('is wrong where what it says is not numbers, and the text goes on', async () => {
    const { ops } = await reference.open({})
    const broken = withOps(reference, {
      select(out, logits, options) {
        if (logits.shape[0] === 2) logits.data.fill(Number.NaN, logits.data.length / 2) // the row of the exit
        ops.select(out, logits, options)
      },
    })
    await using model = await loadModel(folderOf('llama2-f32'), { backend: broken })
    for (const way of [{}, { temperature: 1, seed: 1 }, { repetitionPenalty: 1.2 }]) {
      const settings = { maxNewTokens: 6, ignoreEos: true, ...way }
      const plain = await generate(model, prompt, { ...settings, draft: 'none' }).result
      const heard: LaneReport[] = []
      const shown: boolean[] = []
      const options = { ...settings, draft: 'skip', exitLayer: 2, draftLength: watching(heard, shown) } as const
      assert.deepEqual(outcome(await generate(model, prompt, options).result), outcome(plain))
      assert.deepEqual(shown, new Array(6).fill(true))
      assert.deepEqual(
        heard.map(({ accepted }) => accepted),
        new Array(6).fill(0),
      )
    }
  })

  it('is not shown where a draft is no early exit, nor where drafts are accepted by rejection', async () => {
    await using model = await loadModel(folderOf('llama2-f32'), { backend: 'reference' })
    const ways: readonly GenerateOptions[] = [
      { draft: 'skip', skip: skipping([1]) },
      { draft: 'skip', exitLayer: 2, temperature: 1, accept: 'rejection' },
      { draft: 'lookup' },
    ]
    for (const way of ways) {
      const shown: boolean[] = []
      await generate(model, prompt, { ...way, maxNewTokens: 5, draftLength: watching([], shown) }).result
      assert.ok(shown.length > 0 && shown.every((one) => !one))
    }
  })
})
