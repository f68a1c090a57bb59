// Where a text ends: at the same token, for the same reason, whatever the draft.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import type { GenerateOptions, GenerationResult } from 'drafthorse/decode'
import { edited, folderOf } from '../checkpoints.ts'
import { outcome, skipping } from './generations.ts'

const prompt = [168, 102, 252, 316, 115, 7]
/** With the first every draft is accepted, so that the end falls inside a draft; with the other some are not. */
const sets = [skipping([]), { attention: [1, 2], mlp: [1] }]

/** Plain decoding's result, after every kind of speculation was found to give the same. */
async function everyWay(model: Model, ids: readonly number[], options: GenerateOptions): Promise<GenerationResult> {
  const plain = await generate(model, ids, { ...options, draft: 'none' }).result
  const sequence = model.createSequence()
  for (const skip of sets) {
    for (let draftLength = 1; draftLength <= 8; draftLength++) {
      const { result } = generate(model, ids, { ...options, draft: 'skip', skip, draftLength, sequence })
      assert.deepEqual(outcome(await result), outcome(plain), JSON.stringify({ skip, draftLength, ids, options }))
    }
  }
  sequence.dispose()
  return plain
}

describe('the end of a text', () => {
  it('comes with the end-of-sequence token, wherever it falls inside a draft', async () => {
    await using model = await loadModel(folderOf('gqa-tied-bf16'))
    const { tokens } = await generate(model, prompt, { draft: 'none', ignoreEos: true, maxNewTokens: 8 }).result
    for (const [at, token] of tokens.entries()) {
      await using ending = await loadModel(await edited('gqa-tied-bf16', { eos_token_id: token }))
      const plain = await everyWay(ending, prompt, { maxNewTokens: 16 })
      assert.deepEqual(plain.tokens, tokens.slice(0, tokens.indexOf(token) + 1))
      assert.equal(plain.finishReason, 'eos', `token ${at}`)
      if (at === 3) await everyWay(ending, prompt, { maxNewTokens: 16, ignoreEos: true })
    }
  })

  it('comes with the first of several end-of-sequence tokens', async () => {
    await using model = await loadModel(folderOf('gqa-tied-bf16'))
    const { tokens } = await generate(model, prompt, { draft: 'none', ignoreEos: true, maxNewTokens: 10 }).result
    await using ending = await loadModel(await edited('gqa-tied-bf16', { eos_token_id: [tokens[7], tokens[4]] }))
    assert.deepEqual((await everyWay(ending, prompt, {})).tokens, tokens.slice(0, 5))
  })

  it('comes after maxNewTokens, wherever it falls inside a draft', async () => {
    await using model = await loadModel(folderOf('llama2-f32'))
    for (let maxNewTokens = 1; maxNewTokens <= 12; maxNewTokens++) {
      const { tokens, finishReason } = await everyWay(model, prompt, { maxNewTokens, ignoreEos: true })
      assert.deepEqual([tokens.length, finishReason], [maxNewTokens, 'length'])
    }
  })

  it('comes when the context is full, for prompts of every length that fits', async () => {
    const context = 9
    await using model = await loadModel(await edited('llama2-f32', { max_position_embeddings: context }))
    const ids = Array.from({ length: context }, (_, i) => 3 * i)
    for (let length = 1; length <= context; length++) {
      const options = { maxNewTokens: length % 2 === 0 ? Number.POSITIVE_INFINITY : context, ignoreEos: true }
      const { tokens, finishReason } = await everyWay(model, ids.slice(0, length), options)
      assert.deepEqual([tokens.length, finishReason], [context - length, 'context'])
    }
  })

  it('comes before a full context when maxNewTokens is less than what is left of it', async () => {
    await using model = await loadModel(await edited('llama2-f32', { max_position_embeddings: 12 }))
    const ids = [1, 2, 3, 4, 5, 6, 7, 8]
    assert.equal((await everyWay(model, ids, { maxNewTokens: 3, ignoreEos: true })).finishReason, 'length')
    assert.equal((await everyWay(model, ids, { maxNewTokens: 4, ignoreEos: true })).finishReason, 'length')
    assert.equal((await everyWay(model, ids, { maxNewTokens: 5, ignoreEos: true })).finishReason, 'context')
  })

  it('is reached at once by a prompt that fills the context', async () => {
    await using model = await loadModel(await edited('llama2-f32', { max_position_embeddings: 6 }))
    const { tokens, text, stats, finishReason } = await everyWay(model, prompt, {})
    assert.deepEqual({ tokens, text, finishReason }, { tokens: [], text: '', finishReason: 'context' })
    assert.equal(stats.rounds, 0)
    assert.equal(stats.tokensPerSecond, undefined)
  })

  it('is reached by a context of one token', async () => {
    await using model = await loadModel(await edited('llama2-f32', { max_position_embeddings: 1 }))
    assert.deepEqual((await everyWay(model, [5], {})).tokens, [])
  })
})
