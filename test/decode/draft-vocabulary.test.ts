// Drafts that know a part of the vocabulary: they propose nothing else, and change no token.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import { type GenerateOptions, type GenerationResult, generateBatch, type RoundTrace } from 'drafthorse/decode'
import { planSkip } from 'drafthorse/model'
import { mostFrequentIds } from '../../model/frequent-ids.ts'
import { stories260K } from '../checkpoints.ts'
import { outcome, skipping } from './generations.ts'

const prompt = 'Once upon a time'
const skip = skipping([3], 'mlp')

const ways: Readonly<Record<string, GenerateOptions>> = {
  greedy: {},
  sampled: { temperature: 0.8, seed: 6 },
  'sampled among few': { temperature: 1, topK: 5, topP: 0.9, minP: 0.01, repetitionPenalty: 1.1, seed: 7 },
}

for (const backend of ['reference', 'wasm']) {
  describe(`a draft vocabulary on ${backend}`, () => {
    const newTokens = backend === 'wasm' ? 20 : 10
    let model: Model
    before(async () => {
      model = await loadModel(stories260K, { backend })
    })
    after(() => model.dispose())

    async function run(options: GenerateOptions): Promise<{ result: GenerationResult; drafted: readonly number[] }> {
      const rounds: RoundTrace[] = []
      const settings = { maxNewTokens: newTokens, ignoreEos: true, draft: 'skip', skip, draftLength: 3 } as const
      const onRound = (round: RoundTrace): void => void rounds.push(round)
      const { result } = generate(model, prompt, { ...settings, ...options, onRound })
      return { result: await result, drafted: rounds.flatMap((round) => round.drafted) }
    }

    for (const [name, way] of Object.entries(ways)) {
      it(`of the lowest ids bounds the drafts, and no token: ${name}`, async () => {
        const plain = await run({ ...way, draft: 'none' })
        const whole = await run(way)
        const { vocabSize } = model.config
        for (const size of [1, 300, vocabSize - 1, vocabSize]) {
          for (const draftVocabulary of [size, { size }]) {
            const { result, drafted } = await run({ ...way, draftVocabulary })
            assert.deepEqual(outcome(result), outcome(plain.result), `${size} ids`)
            assert.ok(drafted.length > 0)
            assert.ok(drafted.every((id) => id < size))
            if (size === vocabSize) assert.deepEqual(drafted, whole.drafted)
          }
        }
        assert.ok(whole.drafted.some((id) => id >= 300)) // so that 300 ids are a bound
      })

      it(`of a text bounds the drafts, and no token: ${name}`, async () => {
        const plain = await run({ ...way, draft: 'none' })
        const text = prompt + plain.result.text
        const counted = model.tokenizer.encode(text, { specialTokens: 'plain' })
        const { vocabSize } = model.config
        for (const size of [1, 7, new Set(counted).size, 200, vocabSize]) {
          const ids = mostFrequentIds(counted, { size, vocabSize })
          assert.notDeepEqual(size < vocabSize && ids, [...ids.keys()])
          for (const draftLength of [1, 4, 'threshold'] as const) {
            const draftVocabulary = { size, text }
            const { result, drafted } = await run({ ...way, draftLength, draftVocabulary })
            assert.deepEqual(outcome(result), outcome(plain.result), `${size} ids`)
            assert.ok(drafted.length > 0)
            assert.ok(drafted.every((id) => ids.includes(id)))
            if (size >= new Set(counted).size) assert.ok(result.stats.acceptedTokens > 0)
          }
        }
      })
    }

    it('bounds drafts that are sampled and accepted by rejection', async () => {
      for (const draftTemperature of [0, 0.5, 2]) {
        const way = { temperature: 1, seed: 1, accept: 'rejection', draftTemperature } as const
        const { drafted } = await run({ ...way, draftVocabulary: 300 })
        assert.ok(drafted.length > 0)
        assert.ok(drafted.every((id) => id < 300))
      }
    })

    it('may be banned as a whole: nothing is drafted then, and the text goes on', async () => {
      for (const accept of ['equality', 'rejection'] as const) {
        const way = { temperature: 0.8, seed: 6, logitBias: { 0: Number.NEGATIVE_INFINITY } }
        const plain = await run({ ...way, draft: 'none' })
        const { result, drafted } = await run({ ...way, accept, draftVocabulary: 1 })
        assert.deepEqual(outcome(result), outcome(plain.result))
        assert.deepEqual(drafted, [])
        assert.deepEqual([result.stats.draftPasses, result.stats.rounds], [newTokens - 1, newTokens])
        // what the draft ran below its first skipped sublayer is not run again, as ever
        const { first, run: drafting } = planSkip(skip, model.config.numHiddenLayers)
        const { sublayers } = model
        assert.equal(result.stats.sublayersRun, (newTokens - 1) * (drafting + sublayers - first) + sublayers)
      }
    })
  })
}

describe('the heads of draft vocabularies', () => {
  let model: Model
  before(async () => {
    model = await loadModel(stories260K, { backend: 'reference' })
  })
  after(() => model.dispose())

  it('are made where layers draft, and two are kept, whatever the generations came to', async () => {
    await generate(model, prompt, { maxNewTokens: 1 }).result // what the first of all generations makes is there then
    const { tensors } = model.backend.memory()
    const made = (): number => model.backend.memory().tensors - tensors
    const settings = { maxNewTokens: 4, ignoreEos: true, skip, draftLength: 2 } as const
    for (const draft of ['none', 'lookup'] as const) {
      await generate(model, prompt, { ...settings, draft, draftVocabulary: 50 }).result
      assert.equal(made(), 0, draft)
    }
    for (const draftVocabulary of [50, 60, 70, 60, 80]) {
      await generate(model, prompt, { ...settings, draftVocabulary }).result
      assert.ok(made() <= 2)
    }
    for (const draftVocabulary of [51, 52, 53]) {
      for await (const { type } of generate(model, prompt, { ...settings, draftVocabulary }))
        if (type === 'token') break
      const texts = generateBatch(model, [prompt, 'A cat'], { ...settings, draftVocabulary: draftVocabulary + 10 })
      await texts.result
    }
    assert.equal(made(), 2)
  })

  it('stay while a generation uses them', async () => {
    const settings = { maxNewTokens: 8, ignoreEos: true, draft: 'skip', skip, draftLength: 2 } as const
    const plain = await generate(model, prompt, settings).result
    const slow = generate(model, prompt, { ...settings, draftVocabulary: 100 })
    for await (const { type } of slow) {
      if (type !== 'token') continue
      for (const draftVocabulary of [55, 56, 57]) {
        await generate(model, prompt, { ...settings, maxNewTokens: 2, draftVocabulary }).result
      }
    }
    assert.deepEqual(outcome(await slow.result), outcome(plain))
  })

  it('are of a text that is encoded once while it stays the same', async () => {
    let encoded = 0
    const tokenizer: Model['tokenizer'] = {
      ...model.tokenizer,
      encode(text, options) {
        if (text === 'the cat sat') encoded++
        return model.tokenizer.encode(text, options)
      },
    }
    const counting: Model = Object.create(model, { tokenizer: { value: tokenizer } })
    const settings = { maxNewTokens: 2, skip } as const
    const draftVocabulary = { size: 100, text: 'the cat sat' }
    for (let turn = 0; turn < 3; turn++) await generate(counting, prompt, { ...settings, draftVocabulary }).result
    assert.equal(encoded, 1)
    await generate(counting, prompt, { ...settings, draft: 'none', draftVocabulary }).result
    assert.equal(encoded, 1)
    await generate(counting, prompt, { ...settings, draftVocabulary: { ...draftVocabulary, text: 'a dog' } }).result
    await generate(counting, prompt, { ...settings, draftVocabulary }).result
    assert.equal(encoded, 2)
  })
})
