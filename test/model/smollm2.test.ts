// A real model in its own file: SmolLM2-135M-Instruct from GGUF, against transformers on the same weights.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { generate, loadModel, type Model } from 'drafthorse'
import { type Backend, openBackend } from 'drafthorse/engine'
import type { Context } from 'mocha'
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
const missing = 'test/peers/fetch-smollm2.sh has not brought SmolLM2'

async function readExamples(): Promise<readonly Example[]> {
  return JSON.parse(await readFile(new URL('../oracles/smollm2/greedy.json', import.meta.url), 'utf8'))
}

/** The choice after the prompt and after each of the tokens that followed it, all in one go. */
async function choices(model: Model, { prompt_ids: prompt }: Example, tokens: readonly number[]): Promise<number[]> {
  const { vocabSize } = model.config
  const logits = await model.logits([...prompt, ...tokens.slice(0, -1)])
  return tokens.map((_, i) => {
    const row = prompt.length - 1 + i
    return argmax(logits.subarray(row * vocabSize, (row + 1) * vocabSize))
  })
}

const backends: Readonly<Record<string, (test: Context) => Promise<Backend>>> = {
  wasm: () => openBackend('wasm', { threads: 2 }),
  'tfjs:tensorflow': async (test) => {
    await expectTfjs(test, 'tfjs:tensorflow')
    return openTfjs('tfjs:tensorflow')
  },
}

for (const [name, open] of Object.entries(backends))
  describe(`SmolLM2 from GGUF, as f32 on ${name}, against transformers`, function () {
    this.timeout(300_000)
    let model: Model
    let examples: readonly Example[]
    before(async function () {
      skipUnless(this, existsSync(path), missing)
      const backend = await open(this)
      examples = await readExamples()
      model = await loadModel(path, { backend, dtype: 'f32' })
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
      for (const example of examples) {
        const { id, prompt_ids: prompt, greedy_ids: expected, margins, top20_after_prompt: top } = example
        const narrow = margins.findIndex((margin) => margin < 1e-3)
        const firm = expected.slice(0, narrow < 0 ? expected.length : narrow)
        assert.deepEqual(await choices(model, example, firm), firm, id)
        const after = (await model.logits(prompt)).subarray((prompt.length - 1) * vocabSize)
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
      const speculative = await generate(model, prompt, { ...options, draft: 'skip', skip, draftLength: 'threshold' })
        .result
      assert.deepEqual(speculative.tokens, expected)
      assert.ok(speculative.stats.acceptedTokens > 0)
    })
  })

describe('SmolLM2 on wasm in fewer bits, against transformers in f32', function () {
  this.timeout(300_000)
  // What q8_0 and the file's own types may cost: the choices were counted once, and a wrong kernel changes nearly all.
  for (const [dtype, least] of [
    ['q8_0', 0.97],
    ['q4_1', 0.97],
  ] as const) {
    it(`chooses the same at nearly every position in ${dtype}`, async function () {
      skipUnless(this, existsSync(path), missing)
      const options = dtype === 'q4_1' ? {} : { dtype }
      await using model = await loadModel(path, { backend: 'wasm', threads: 2, ...options })
      let [same, all] = [0, 0]
      for (const example of await readExamples()) {
        const expected = example.greedy_ids
        const chosen = await choices(model, example, expected)
        same += chosen.filter((token, i) => token === expected[i]).length
        all += expected.length
      }
      console.log(`      ${same} of ${all} positions agree (${((100 * same) / all).toFixed(1)} %)`)
      assert.ok(same / all >= least, `${same} of ${all}`)
    })
  }
})
