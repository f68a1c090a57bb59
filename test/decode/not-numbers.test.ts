// Logits that are not numbers: behind a wrong draft nobody sees them, and in a row that counts they are a typed error that
// names the position, alone and in a batch.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { generate, loadModel, type Model } from 'drafthorse'
import {
  cascade,
  type GenerateOptions,
  generateBatch,
  promptLookup,
  type SingleDraft,
  skipLayers,
} from 'drafthorse/decode'
import { type ModelFiles, memoryFiles } from 'drafthorse/model'
import { folderOf } from '../checkpoints.ts'
import { guessing, logitsAfter, someSkipped } from './drafts.ts'
import { assertNothingHeld, outcome } from './generations.ts'

/** A token whose embedding is not numbers, and so all that follows from its row. */
const broken = 211

async function damaged(): Promise<ModelFiles> {
  const folder = folderOf('llama2-f32')
  const bytes = Uint8Array.from(await readFile(`${folder}/model.safetensors`))
  const view = new DataView(bytes.buffer)
  const start = 8 + Number(view.getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)))
  const { shape, data_offsets } = header['model.embed_tokens.weight']
  const row = start + data_offsets[0] + broken * shape[1] * 4
  for (let at = row; at < row + shape[1] * 4; at += 4) view.setFloat32(at, Number.NaN, true)
  return memoryFiles('damaged', { 'config.json': await readFile(`${folder}/config.json`), 'model.safetensors': bytes })
}

const prompts = [[168, 102, 252], [...Array(58).keys()].map((i) => 3 + i), [7, 8, 7, 8]]

const ways: Readonly<Record<string, GenerateOptions>> = {
  greedy: {},
  sampled: { temperature: 0.7, topK: 5, seed: 2 },
  'with a penalty': { repetitionPenalty: 1.2 },
}

/** Always wrong: as many broken tokens as there may be, or one in the middle of others. */
const wrong: readonly SingleDraft[] = [
  guessing('broken', (_, limit) => new Array<number>(limit).fill(broken)),
  guessing('broken second', (_, limit) => [0, broken, 0, broken, 1].slice(0, limit)),
]

for (const [backend, threads] of [
  ['reference', undefined],
  ['wasm', 1],
  ['wasm', 3],
] as const) {
  describe(`logits that are not numbers, on ${backend}${threads ? ` with ${threads} threads` : ''}`, () => {
    let model: Model
    before(async () => {
      model = await loadModel(await damaged(), { backend, ...(threads && { threads }) })
    })
    after(() => model.dispose())
    afterEach(() => {
      assertNothingHeld(model)
    })
    const settings = { maxNewTokens: 10, ignoreEos: true }

    for (const [name, way] of Object.entries(ways)) {
      it(`are not seen behind drafts that are wrong, nor is what they leave in the cache: ${name}`, async () => {
        const singles: unknown[] = []
        for (const prompt of prompts) {
          const [fresh, sequence] = [model.createSequence(), model.createSequence()]
          const plain = await generate(model, prompt, { ...settings, ...way, draft: 'none', sequence: fresh }).result
          assert.ok(!plain.tokens.includes(broken))
          singles.push(outcome(plain))
          const logits = await logitsAfter(model, fresh)
          for (const draft of [...wrong, cascade(...wrong, promptLookup(), skipLayers(someSkipped))]) {
            const options = { ...settings, ...way, draft, draftLength: 12, sequence }
            const drafted = await generate(model, prompt, options).result
            assert.deepEqual(outcome(drafted), outcome(plain))
            assert.ok(drafted.stats.draftedTokens > 0)
            assert.deepEqual(await logitsAfter(model, sequence), logits)
          }
          fresh.dispose()
          sequence.dispose()
        }
        for (const draft of wrong) {
          const options = { ...settings, ...way, draft, draftLength: 5 }
          const list = prompts.map((prompt) => ({ prompt, seed: 2 }))
          assert.deepEqual((await generateBatch(model, list, options).result).map(outcome), singles)
        }
      })

      it(`end a draft by layers, and not the text: ${name}`, async () => {
        // This draft knows the broken token only, and its second pass gives no numbers.
        const draft = skipLayers(someSkipped, { head: await model.draftHead([broken]) })
        for (const prompt of prompts) {
          const plain = await generate(model, prompt, { ...settings, ...way, draft: 'none' }).result
          for (const draftLength of [1, 4, 'threshold'] as const) {
            const drafted = await generate(model, prompt, { ...settings, ...way, draft, draftLength }).result
            assert.deepEqual(outcome(drafted), outcome(plain))
            assert.deepEqual([drafted.stats.rounds, drafted.stats.acceptedTokens], [10, 0])
            assert.ok(drafted.stats.draftedTokens >= 9)
          }
          const rejecting = { ...settings, ...way, accept: 'rejection', draft, draftLength: 3 } as const
          assert.ok(!(await generate(model, prompt, rejecting).result).tokens.includes(broken))
        }
      })
    }

    it('are a typed error in a row that counts, which names its position', async () => {
      const message = /after position 2 are not numbers/
      for (const way of Object.values(ways)) {
        for (const draft of [{ draft: 'none' }, { draft: 'lookup' }, { draft: 'skip', skip: someSkipped }] as const) {
          const options = { ...settings, ...way, ...draft, draftLength: 3 }
          const numeric = { code: 'ERR_NUMERIC', message }
          await assert.rejects(generate(model, [5, 6, broken], options).result, numeric)
          await assert.rejects(generateBatch(model, [[1], [5, 6, broken], [2, 3]], options).result, numeric)
        }
      }
    })

    it('are that error behind a draft that is right, after the same tokens as without it', async () => {
      const way = { logitBias: { [broken]: 1e4 } }
      for (const draft of [
        undefined,
        wrong[0]!, // right here, as the bias makes it the one to choose
        skipLayers(someSkipped),
        cascade(promptLookup(), skipLayers(someSkipped)),
      ]) {
        const sequence = model.createSequence()
        const prompt = [5, 6, 7, 8]
        const { result } = generate(model, prompt, {
          ...settings,
          ...way,
          draft: draft ?? 'none',
          draftLength: 3,
          sequence,
        })
        await assert.rejects(result, { code: 'ERR_NUMERIC', message: /after position 4 / })
        assert.ok(sequence.length <= prompt.length)
        assert.deepEqual(sequence.tokens, prompt.slice(0, sequence.length))
        const after = await generate(model, prompt, { ...settings, sequence, draft: 'none' }).result
        const fresh = await generate(model, prompt, { ...settings, draft: 'none' }).result
        assert.deepEqual(outcome(after), outcome(fresh))
        sequence.dispose()
      }
    })
  })
}
