// Sequences: what counts as cached, going back, and reusing what two prompts share.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import { advance, commit, reusePrefix, type Sequence, truncate } from 'drafthorse/model'
import { edited, folderOf } from '../checkpoints.ts'

/** Runs ids as one pass and gives the logits `[ids, vocabSize]`. */
async function pass(model: Model, sequence: Sequence, ids: readonly number[]): Promise<Float32Array> {
  const arena = model.backend.arena()
  const rows = model.rows([{ sequence, count: ids.length }], arena)
  const logits = model.head(model.run(model.embed(Int32Array.from(ids), rows), rows), rows)
  const [values] = await model.backend.read([logits])
  arena.release()
  commit(sequence, ids)
  return values as Float32Array // logits are f32
}

describe('a sequence', () => {
  let model: Model
  let sequence: Sequence
  before(async () => {
    model = await loadModel(folderOf('gqa-tied-bf16'))
  })
  after(() => model.dispose())
  beforeEach(() => {
    sequence = model.createSequence()
  })
  afterEach(() => sequence.dispose())

  it('counts rows by advance, and makes them tokens by commit', () => {
    advance(sequence, 3)
    assert.deepEqual([sequence.length, sequence.tokens.length], [3, 0])
    commit(sequence, [7, 8])
    assert.deepEqual([sequence.length, sequence.tokens], [2, [7, 8]])
  })

  it('goes back by truncate, and over what was there writes anew', async () => {
    const straight = await pass(model, sequence, [5, 6, 7, 8])
    for (const length of [3, 1, 0]) {
      truncate(sequence, length)
      await pass(model, sequence, [100, 101, 102])
      truncate(sequence, length)
      const again = await pass(model, sequence, [5, 6, 7, 8].slice(length))
      assert.deepEqual(again, straight.subarray(length * model.config.vocabSize))
    }
  })

  it('moves nothing and frees nothing when it is truncated', async () => {
    await pass(model, sequence, [5, 6, 7, 8])
    const memory = model.backend.memory()
    truncate(sequence, 1)
    assert.deepEqual(model.backend.memory(), memory)
    assert.deepEqual(sequence.tokens, [5])
  })

  it('cannot be truncated to more rows than it has, or to no whole number', () => {
    commit(sequence, [1, 2, 3])
    for (const length of [4, -1, 1.5, Number.NaN]) {
      assert.throws(() => truncate(sequence, length), { code: 'ERR_SHAPE', message: new RegExp(`3 rows.*${length}`) })
    }
  })

  it('keeps what a prompt begins with, but never its last token', () => {
    const keeps = (tokens: readonly number[], ids: readonly number[]): number => {
      truncate(sequence, 0)
      commit(sequence, tokens)
      const kept = reusePrefix(sequence, ids)
      assert.deepEqual(sequence.tokens, ids.slice(0, kept))
      assert.equal(sequence.length, kept)
      return kept
    }
    assert.equal(keeps([1, 2, 3], [1, 2, 3, 4]), 3)
    assert.equal(keeps([1, 2, 3], [1, 2, 3]), 2)
    assert.equal(keeps([1, 2, 3], [1, 2]), 1)
    assert.equal(keeps([1, 2, 3], [1, 9, 3]), 1)
    assert.equal(keeps([1, 2, 3], [9]), 0)
    assert.equal(keeps([], [1, 2]), 0)
  })

  it('takes memory as it is used, not for the context that a config claims', async () => {
    const files = await edited('gqa-tied-bf16', { max_position_embeddings: 2 ** 30 })
    await using boundless = await loadModel(files, { backend: 'reference' })
    await boundless.logits([1])
    const { bytes } = boundless.backend.memory()
    const long = boundless.createSequence()
    await pass(boundless, long, [1, 2, 3])
    const { numHiddenLayers, numKeyValueHeads, headDim } = boundless.config
    const perPosition = 2 * 4 * numHiddenLayers * numKeyValueHeads * headDim
    assert.ok(boundless.backend.memory().bytes - bytes <= 64 * perPosition)
    const { tokens } = await generate(boundless, [1, 2, 3], { maxNewTokens: 3, ignoreEos: true }).result
    assert.equal(tokens.length, 3)
  })

  it('is disposed with its model', async () => {
    const backend = model.backend
    const own = await loadModel(folderOf('llama2-f32'), { backend })
    const { caches } = backend.memory()
    own.createSequence()
    own.createSequence().dispose()
    await own.dispose()
    assert.equal(backend.memory().caches, caches)
  })

  it('is reused by the next turn of a talk: only what is new runs', async () => {
    const skip = { attention: [1], mlp: [2] }
    const options = { maxNewTokens: 5, ignoreEos: true, draft: 'skip', skip, draftLength: 3 } as const
    const first = await generate(model, [9, 8, 7], { ...options, sequence }).result
    const talk = [9, 8, 7, ...first.tokens, 50, 51]
    const second = await generate(model, talk, { ...options, sequence }).result
    assert.equal(second.stats.reusedTokens, 7)
    assert.deepEqual(second.tokens, (await generate(model, talk, { ...options, draft: 'none' }).result).tokens)
    const other = await generate(model, [9, 8, 60, 61], { ...options, sequence }).result
    assert.equal(other.stats.reusedTokens, 2)
    assert.deepEqual(other.tokens, (await generate(model, [9, 8, 60, 61], { ...options, draft: 'none' }).result).tokens)
  })
})
