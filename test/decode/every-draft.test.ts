// Every kind of draft, by itself and in any row with others: the tokens and the cache of plain decoding, greedy and sampled.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model, type SamplingOptions } from 'drafthorse'
import {
  cascade,
  type DraftLength,
  type GenerateOptions,
  type GenerationResult,
  promptLookup,
  type SingleDraft,
  skipLayers,
} from 'drafthorse/decode'
import fc from 'fast-check'
import { folderOf } from '../checkpoints.ts'
import { everyDraft, guessing, logitsAfter, proposingIds } from './drafts.ts'
import { assertNothingHeld, outcome } from './generations.ts'

const prompts: readonly (readonly number[])[] = [
  [168, 102, 252, 316, 115, 7],
  [3, 4, 5, 3, 4, 5, 3, 4],
]

const ways: readonly SamplingOptions[] = [
  {},
  { temperature: 0.05 },
  { temperature: 0.7, topK: 4 },
  { temperature: 1.4, topP: 0.9, repetitionPenalty: 1.2 },
  { temperature: 0, repetitionPenalty: 1.5, logitBias: { 7: 0.5 } },
]

const layers = [0, 1, 2, 3]
const vocabSize = 320

for (const backend of ['reference', 'wasm']) {
  describe(`drafts of every kind on ${backend}`, () => {
    let model: Model
    before(async () => {
      model = await loadModel(folderOf('llama2-f32'), { backend })
    })
    after(() => model.dispose())
    afterEach(() => {
      assertNothingHeld(model)
    })

    /** The result, and what it leaves: its cache, by what the model says after it. */
    async function leaves(
      prompt: readonly number[],
      options: GenerateOptions,
    ): Promise<{ result: GenerationResult; left: unknown }> {
      const sequence = model.createSequence()
      try {
        const result = await generate(model, prompt, { ignoreEos: true, ...options, sequence }).result
        assert.deepEqual(sequence.tokens, [...prompt, ...result.tokens].slice(0, -1))
        return { result, left: { ...Object(outcome(result)), logits: await logitsAfter(model, sequence) } }
      } finally {
        sequence.dispose()
      }
    }

    for (const way of ways) {
      it(`equal plain decoding: ${JSON.stringify(way)}`, async () => {
        const drafted: Record<string, number> = {}
        const accepted: Record<string, number> = {}
        for (const prompt of prompts) {
          const settings = { ...way, seed: 3, maxNewTokens: 16 }
          const plain = await leaves(prompt, { ...settings, draft: 'none' })
          for (const [name, draft] of Object.entries(everyDraft)) {
            const { result, left } = await leaves(prompt, { ...settings, ...draft })
            assert.deepEqual(left, plain.left, name)
            drafted[name] = (drafted[name] ?? 0) + result.stats.draftedTokens
            for (const [part, stats] of Object.entries(result.stats.drafts)) {
              accepted[part] = (accepted[part] ?? 0) + stats.accepted
            }
          }
        }
        for (const name of Object.keys(everyDraft)) assert.ok(drafted[name]! > 0, name)
        assert.ok(accepted['skip']! > 0)
        if (way.temperature === undefined) assert.ok(accepted['lookup']! > 0)
      })
    }

    it('equal plain decoding in any row, asked for any lengths', async () => {
      const ids = fc.integer({ min: 0, max: vocabSize - 1 })
      const some = fc.array(ids, { maxLength: 6 })
      const part = fc.oneof(
        fc.integer({ min: 1, max: 4 }).map((longest) => promptLookup({ longest })),
        fc
          .record({ attention: fc.subarray(layers), mlp: fc.subarray(layers), reusePrefix: fc.boolean() })
          .map(({ reusePrefix, ...skip }) => skipLayers(skip, { reusePrefix })),
        some.map((tokens) => guessing('guess', (_, limit) => tokens.slice(0, limit))),
        some.map((tokens) => proposingIds('proposal', ({ limit }) => tokens.slice(0, limit))),
        fc.constant(proposingIds('nothing', () => [])),
      )
      const parts = fc.array(part, { minLength: 1, maxLength: 4 })
      const asks = fc.array(
        fc.record({ most: fc.integer({ min: 0, max: 7 }), least: fc.constantFrom(undefined, 0, 0.004, 0.01, 1) }),
        { minLength: 1, maxLength: 6 },
      )
      await fc.assert(
        fc.asyncProperty(
          parts,
          asks,
          fc.array(ids, { minLength: 1, maxLength: 12 }),
          fc.constantFrom(...ways),
          fc.integer({ min: 1, max: 18 }),
          async (row, wanted, prompt, way, maxNewTokens) => {
            const settings = { ...way, seed: 8, maxNewTokens }
            const plain = await leaves(prompt, { ...settings, draft: 'none' })
            const named = row.map((draft, i): SingleDraft => ({ ...draft, name: `${draft.name} ${i}` }))
            const mixed = await leaves(prompt, { ...settings, draft: cascade(...named), draftLength: listed(wanted) })
            assert.deepEqual(mixed.left, plain.left)
          },
        ),
        { numRuns: 40 },
      )
    })

    it('equal plain decoding by early exit after every number of layers', async () => {
      for (const way of [{}, { temperature: 0.8, seed: 4 }]) {
        for (const prompt of prompts) {
          const settings = { ...way, maxNewTokens: 9 }
          const plain = await leaves(prompt, { ...settings, draft: 'none' })
          for (let exitLayer = 0; exitLayer <= 4; exitLayer++) {
            for (const draft of ['skip', 'auto'] as const) {
              const { result, left } = await leaves(prompt, { ...settings, draft, exitLayer, draftLength: 3 })
              assert.deepEqual(left, plain.left, `${draft}, exit after ${exitLayer}`)
              const { skip, draftedTokens, acceptanceRate } = result.stats
              assert.deepEqual(skip, { attention: layers.slice(exitLayer), mlp: layers.slice(exitLayer) })
              assert.ok(draftedTokens > 0)
              if (exitLayer === 4 && draft === 'skip') assert.equal(acceptanceRate, 1)
            }
          }
        }
      }
    })
  })
}

/** These limits by turns, each ask the next. */
function listed(asks: readonly { readonly most: number; readonly least: number | undefined }[]): DraftLength {
  return {
    name: 'listed',
    start() {
      let asked = 0
      return {
        next() {
          const { most, least } = asks[asked++ % asks.length]!
          return least === undefined ? { most } : { most, goesOn: (confidence) => confidence >= least }
        },
      }
    },
  }
}
