// The promise: speculative decoding gives the tokens of plain decoding, and leaves its cache, bit for bit.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model, type SkipSet } from 'drafthorse'
import type { GenerateOptions, SingleDraft } from 'drafthorse/decode'
import { skipLayers } from 'drafthorse/decode'
import type { ReferenceCache } from 'drafthorse/engine/reference'
import { planSkip } from 'drafthorse/model'
import fc from 'fast-check'
import { checkpoints, edited, folderOf, readGolden, stories260K } from '../checkpoints.ts'
import { cachedBytes, outcome, skipping, withPassRows } from './generations.ts'

const draftLengths = [1, 3, 8]

/** Sets that lie at the edges of what can be skipped; the first two are among the golden cases as well. */
function extremes(layers: number): Record<string, SkipSet> {
  const all = Array.from({ length: layers }, (_, i) => i)
  return {
    none: skipping([]),
    'all-attention': skipping(all, 'attention'),
    everything: skipping(all),
    'the first sublayer': skipping([0], 'attention'),
    'the last sublayer': skipping([layers - 1], 'mlp'),
  }
}

/** Any set of sublayers, each as likely as not to be skipped. */
function anySkip(layers: number): fc.Arbitrary<SkipSet> {
  const some = fc.subarray(Array.from({ length: layers }, (_, i) => i))
  return fc.record({ attention: some, mlp: some })
}

/** The generation's outcome, and the bytes of the cache that it leaves. */
async function leaves(model: Model, prompt: readonly number[], options: GenerateOptions): Promise<unknown> {
  const sequence = model.createSequence()
  try {
    const result = await generate(model, prompt, { ...options, sequence }).result
    assert.deepEqual(sequence.tokens, [...prompt, ...result.tokens].slice(0, -1))
    assert.equal(sequence.length, sequence.tokens.length)
    return { ...Object(outcome(result)), cache: cachedBytes(sequence).toString('latin1') }
  } finally {
    sequence.dispose()
  }
}

const models = [
  ...checkpoints.map((name) => ({ name, path: folderOf(name), golden: name })),
  { name: 'stories260K', path: stories260K, golden: undefined },
]

for (const { name, path, golden } of models) {
  describe(`speculative decoding of ${name}`, () => {
    let model: Model
    let sets: Record<string, SkipSet>
    let prompt: readonly number[] = [1, 403, 407, 261]
    before(async () => {
      model = await loadModel(path, { backend: 'reference' })
      sets = extremes(model.config.numHiddenLayers)
      if (!golden) return
      const { inputIds, cases } = await readGolden(golden)
      prompt = inputIds.slice(0, 5)
      for (const { name, skip } of cases) sets[name] = skip
    })
    after(() => model.dispose())

    it('equals plain decoding for every skip set and draft length, cache and all', async () => {
      const settings = { maxNewTokens: 20, ignoreEos: true }
      const plain = await leaves(model, prompt, { ...settings, draft: 'none' })
      for (const [set, skip] of Object.entries(sets)) {
        for (const draftLength of draftLengths) {
          const speculative = await leaves(model, prompt, { ...settings, draft: 'skip', skip, draftLength })
          assert.deepEqual(speculative, plain, `skipping ${set}, ${draftLength} drafts`)
        }
      }
    })

    if (golden) {
      it('ends where plain decoding ends: with the text, the number of tokens, or the context', async () => {
        const { tokens } = await generate(model, prompt, { draft: 'none', ignoreEos: true, maxNewTokens: 6 }).result
        const ends = { eos: { eos_token_id: tokens[5] }, length: {}, context: { max_position_embeddings: 11 } }
        for (const [reason, config] of Object.entries(ends)) {
          await using ending = await loadModel(await edited(golden, config))
          const settings = { maxNewTokens: reason === 'length' ? 6 : 12, ignoreEos: reason !== 'eos' }
          const plain = await generate(ending, prompt, { ...settings, draft: 'none' }).result
          assert.equal(plain.finishReason, reason)
          for (const skip of [sets['none']!, sets['middle']!]) {
            for (const draftLength of draftLengths) {
              const speculative = await generate(ending, prompt, { ...settings, draft: 'skip', skip, draftLength })
                .result
              assert.deepEqual(outcome(speculative), outcome(plain), `${reason}, ${draftLength} drafts`)
            }
          }
        }
      })
    }

    it('equals plain decoding when it is left in the middle and resumed from the cache', async () => {
      const settings = { maxNewTokens: 12, ignoreEos: true }
      const plain = await generate(model, prompt, { ...settings, draft: 'none' }).result
      await fc.assert(
        fc.asyncProperty(
          anySkip(model.config.numHiddenLayers),
          fc.integer({ min: 1, max: 8 }),
          fc.integer({ min: 1, max: 15 }),
          async (skip, draftLength, events) => {
            const sequence = model.createSequence()
            const options = { draft: 'skip', skip, draftLength, ignoreEos: true, sequence } as const
            const stream = generate(model, prompt, { ...options, maxNewTokens: 11 })
            let seen = 0
            for await (const event of stream) if (event.type !== 'done' && ++seen === events) break
            const { tokens } = await stream.result
            const ids = [...prompt, ...tokens]
            const rest = await generate(model, ids, { ...options, maxNewTokens: 12 - tokens.length }).result
            assert.deepEqual([...tokens, ...rest.tokens], plain.tokens)
            assert.equal(rest.stats.reusedTokens, ids.length - 1)
            sequence.dispose()
          },
        ),
        { numRuns: 8 },
      )
    })

    it('equals plain decoding for random skip sets, draft lengths, prompts and numbers of tokens', async () => {
      const { numHiddenLayers, vocabSize } = model.config
      const someIds = fc.array(fc.integer({ min: 0, max: vocabSize - 1 }), { minLength: 1, maxLength: 20 })
      await fc.assert(
        fc.asyncProperty(
          anySkip(numHiddenLayers),
          fc.integer({ min: 1, max: 12 }),
          someIds,
          fc.integer({ min: 1, max: 20 }),
          async (skip, draftLength, ids, maxNewTokens) => {
            const plain = await leaves(model, ids, { maxNewTokens, draft: 'none' })
            assert.deepEqual(await leaves(model, ids, { maxNewTokens, draft: 'skip', skip, draftLength }), plain)
          },
        ),
        { numRuns: 12 },
      )
    })
  })
}

describe('speculative decoding', () => {
  const prompt = [168, 102, 252, 316, 115, 7]
  const skip = { attention: [1, 2], mlp: [1] }
  const settings = { maxNewTokens: 16, ignoreEos: true, draftLength: 5 }

  it('equals plain decoding after a prompt of one token', async () => {
    await using model = await loadModel(folderOf('gqa-tied-bf16'), { backend: 'reference' })
    for (const token of [0, 1, 168, 319]) {
      const plain = await leaves(model, [token], { ...settings, draft: 'none' })
      for (const draftLength of draftLengths) {
        assert.deepEqual(await leaves(model, [token], { ...settings, draft: 'skip', skip, draftLength }), plain)
      }
    }
  })

  it('leaves a cache in which the model goes on as after plain decoding, bit for bit', async () => {
    await using model = await loadModel(folderOf('llama2-f32'), { backend: 'reference' })
    const goOn = async (options: GenerateOptions): Promise<Float32Array> => {
      const sequence = model.createSequence()
      const arena = model.backend.arena()
      await generate(model, prompt, { ...settings, ...options, sequence }).result
      const rows = model.rows([{ sequence, count: 3 }], arena)
      const [logits] = await model.backend.read([
        model.head(model.run(model.embed(Int32Array.of(5, 6, 7), rows), rows), rows),
      ])
      arena.release()
      sequence.dispose()
      return logits as Float32Array // logits are f32
    }
    const plain = await goOn({ draft: 'none' })
    for (const draftLength of draftLengths) assert.deepEqual(await goOn({ draft: 'skip', skip, draftLength }), plain)
  })

  it('never reads what a draft left behind', async () => {
    await using model = await loadModel(folderOf('linear-rope-deep-bf16'), { backend: 'reference' })
    const plain = await leaves(model, prompt, { ...settings, draft: 'none' })
    for (const set of [skip, skipping([0]), skipping([5, 6, 7]), skipping([11], 'mlp')]) {
      const { first } = planSkip(set, model.config.numHiddenLayers)
      assert.deepEqual(await leaves(model, prompt, { ...settings, draft: spoiling(skipLayers(set), first) }), plain)
    }
  })

  it('does not depend on how the backend likes prompts to be cut', async () => {
    const ids = Array.from({ length: 40 }, (_, i) => (i * 37) % 320)
    let expected: unknown
    for (const passRows of [1, 2, 7, 16, 39, 40, 1000]) {
      await using model = await loadModel(folderOf('llama3-rope-sharded-f16'), { backend: withPassRows(passRows) })
      const plain = await leaves(model, ids, { ...settings, draft: 'none' })
      expected ??= plain
      assert.deepEqual(plain, expected, `passes of ${passRows} rows`)
      assert.deepEqual(
        await leaves(model, ids, { ...settings, draft: 'skip', skip }),
        expected,
        `passes of ${passRows} rows`,
      )
    }
  })

  it('goes past the length of the first rope tables', async () => {
    await using model = await loadModel(stories260K, { backend: 'reference' })
    const ids = [1, ...Array.from({ length: 249 }, (_, i) => 260 + ((i * 31) % 250))]
    const plain = await leaves(model, ids, { ...settings, draft: 'none' })
    assert.deepEqual(
      await leaves(model, ids, { ...settings, draft: 'skip', skip: skipping([2, 3]), draftLength: 5 }),
      plain,
    )
  })

  it('takes fewer passes of the model than there are tokens when drafts are good', async () => {
    await using model = await loadModel(folderOf('gqa-tied-bf16'), { backend: 'reference' })
    const { stats } = await generate(model, prompt, { ...settings, draft: 'skip', skip: skipping([]), draftLength: 3 })
      .result
    assert.equal(stats.rounds, 4)
    assert.equal(stats.acceptanceRate, 1)
  })
})

/** The same draft, which first spoils every cache entry that verification must not read. */
function spoiling(draft: SingleDraft, first: number): SingleDraft {
  return {
    name: 'spoiling',
    start(model) {
      const session = draft.start(model)
      assert.ok('propose' in session)
      const spoil = ({ keys, values, width }: ReferenceCache, from: { layer: number; position: number }): void => {
        for (const tables of [keys, values]) {
          for (const table of tables.slice(from.layer)) table.fill(Number.NaN, from.position * width)
        }
      }
      return {
        async propose(round) {
          const cache = round.sequence.cache as ReferenceCache // the model runs on the reference backend
          const position = round.sequence.length
          spoil(cache, { layer: 0, position })
          const proposal = await session.propose(round)
          spoil(cache, { layer: Math.ceil(first / 2), position })
          return proposal
        },
      }
    },
  }
}
