// A real model in its own file: SmolLM2-135M-Instruct from GGUF, against transformers on the same weights.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { generate, loadModel, type Model } from 'drafthorse'
import { argmax } from '../checkpoints.ts'
import { expectTfjs, openTfjs } from '../engine/tfjs/peers.ts'
import { golden } from '../golden.ts'
import { skipUnless } from '../skip.ts'

interface Example {
  readonly id: string
  readonly prompt_ids: readonly number[]
  readonly greedy_ids: readonly number[]
  /** By how much each choice won. */
  readonly margins: readonly number[]
  readonly top20_after_prompt: readonly (readonly [id: number, logit: number])[]
}

const path = fileURLToPath(new URL('../peers/models/smollm2-135m-instruct.q4_1.gguf', import.meta.url))
const backendName = 'tfjs:tensorflow'

describe(`SmolLM2 from GGUF, as f32 on ${backendName}, against transformers`, function () {
  this.timeout(300_000)
  let model: Model
  let examples: readonly Example[]
  before(async function () {
    skipUnless(this, existsSync(path), 'test/peers/fetch-smollm2.sh has not brought SmolLM2')
    await expectTfjs(this, backendName)
    const file = new URL('../oracles/smollm2/greedy.json', import.meta.url)
    examples = JSON.parse(await readFile(file, 'utf8'))
    model = await loadModel(path, { backend: await openTfjs(backendName), dtype: 'f32' })
  })
  after(async () => {
    await model?.dispose()
    await model?.backend.dispose()
  })

  it('is stored in three types, and runs in the one asked for', () => {
    assert.deepEqual(model.summary.stored, { q8_0: 1, f32: 61, q4_1: 210 })
    assert.deepEqual(model.summary.running, { f32: 272 })
    assert.equal(model.summary.parameters, 134_515_008)
  })

  it('gives the top logits after each prompt, and every greedy choice up to the first narrow one', async () => {
    const { vocabSize } = model.config
    for (const { id, prompt_ids: prompt, greedy_ids: expected, margins, top20_after_prompt: top } of examples) {
      const narrow = margins.findIndex((margin) => margin < 1e-3)
      const firm = expected.slice(0, narrow < 0 ? expected.length : narrow)
      const logits = await model.logits([...prompt, ...firm.slice(0, -1)])
      const row = (i: number): Float32Array => logits.subarray(i * vocabSize, (i + 1) * vocabSize)
      const chosen = firm.map((_, i) => argmax(row(prompt.length - 1 + i)))
      assert.deepEqual(chosen, firm, id)
      const after = row(prompt.length - 1)
      for (const [token, logit] of top) assert.ok(Math.abs(after[token]! - logit) <= 2e-2, `${id}, token ${token}`)
      golden()
    }
  })

  it('tells the same, token by token and speculatively', async () => {
    const { prompt_ids: prompt, greedy_ids: expected } = examples[0]!
    const options = { maxNewTokens: expected.length, ignoreEos: true }
    const plain = await generate(model, prompt, { ...options, draft: 'none' }).result
    assert.deepEqual(plain.tokens, expected)
    const skip = { attention: [20, 22, 24], mlp: [21] }
    const speculative = await generate(model, prompt, { ...options, skip, draftLength: 'threshold' }).result
    assert.deepEqual(speculative.tokens, expected)
    assert.ok(speculative.stats.acceptedTokens > 0)
  })
})
