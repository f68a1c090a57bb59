// Verification passes that cross 8, 16, 32, 64 and 256 rows of context, where kernels change pace: attention goes through keys
// 64 at a time, and products and reads in blocks of their own. On any number of threads the tokens are plain decoding's.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import { generateBatch, type RoundTrace, type SingleDraft } from 'drafthorse/decode'
import { edited } from '../checkpoints.ts'
import { guessing, logitsAfter, someSkipped } from './drafts.ts'
import { outcome } from './generations.ts'

const edges = [8, 16, 32, 64, 128, 256]
const draftLength = 12

for (const checkpoint of ['llama2-f32', 'mistral-window-16'] as const) {
  for (const threads of [1, 2, 3]) {
    describe(`verification across an edge of context, of ${checkpoint} on wasm with ${threads} threads`, () => {
      let model: Model
      before(async () => {
        const files = await edited(checkpoint, { max_position_embeddings: 400 })
        model = await loadModel(files, { backend: 'wasm', threads })
      })
      after(() => model.dispose())

      /** A text that repeats itself, so that there is something to look up. */
      const promptOf = (length: number): readonly number[] => Array.from({ length }, (_, i) => 3 + ((i * i) % 11))

      /** Guesses what plain decoding gives, which crosses edges for sure; or one token in 13 otherwise. */
      const knowing = (text: readonly number[], wrongAt = Number.NaN): SingleDraft =>
        guessing('knowing', (history, limit) =>
          text
            .slice(history.length, history.length + limit)
            .map((id, i) => (i === (history.length + wrongAt) % 13 ? (id + 1) % 320 : id)),
        )

      for (const edge of edges) {
        it(`at ${edge} rows gives the tokens and the cache of plain decoding`, async () => {
          for (const before of [11, 7, 1, 0]) {
            const prompt = promptOf(edge - Math.min(before, edge - 1))
            const settings = { maxNewTokens: 22, ignoreEos: true }
            const [fresh, sequence] = [model.createSequence(), model.createSequence()]
            const plain = await generate(model, prompt, { ...settings, draft: 'none', sequence: fresh }).result
            const expected = { ...Object(outcome(plain)), logits: await logitsAfter(model, fresh) }
            const text = [...prompt, ...plain.tokens]
            for (const [name, draft] of Object.entries({
              lookup: { draft: 'lookup' as const },
              'right guesses': { draft: knowing(text) },
              'guesses, one in 13 wrong': { draft: knowing(text, 5) },
              cascade: { draft: 'cascade' as const, skip: someSkipped },
            })) {
              const rounds: RoundTrace[] = []
              const onRound = (round: RoundTrace): void => void rounds.push(round)
              const options = { ...settings, ...draft, draftLength, sequence, onRound }
              const drafted = await generate(model, prompt, options).result
              const found = { ...Object(outcome(drafted)), logits: await logitsAfter(model, sequence) }
              assert.deepEqual(found, expected, `${name}, from ${prompt.length}`)
              if (name !== 'right guesses') continue
              const long = rounds.filter(({ rows }) => rows === draftLength + 1)
              assert.ok(long.some(({ position, rows }) => position - 1 < edge && position - 1 + rows > edge))
            }
            fresh.dispose()
            sequence.dispose()
          }
        })
      }

      it('equals plain decoding where the texts of a batch cross several edges in one pass', async () => {
        const settings = { maxNewTokens: 24, ignoreEos: true }
        const prompts = edges.map((edge) => promptOf(edge - 5))
        const options = { ...settings, draft: 'lookup', draftLength } as const
        const together = await generateBatch(model, prompts, options).result
        for (const [i, prompt] of prompts.entries()) {
          const plain = await generate(model, prompt, { ...settings, draft: 'none' }).result
          assert.deepEqual(outcome(together[i]!), outcome(plain), `prompt of ${prompt.length}`)
        }
      })
    })
  }
}
