// Whole generations that accept by rejection: whatever drafts, and however far, three tokens in a row follow the model's law.
import assert from 'node:assert/strict'
import { distribution, generate, loadModel, type Model } from 'drafthorse'
import {
  cascade,
  type GenerateOptions,
  type GenerationResult,
  generateBatch,
  promptLookup,
  type RoundTrace,
  type SingleDraft,
  skipLayers,
  threshold,
} from 'drafthorse/decode'
import { openBackend } from 'drafthorse/engine'
import { folderOf } from '../checkpoints.ts'
import { chanceOfWorse } from './chi-square.ts'
import { everyDraft, someSkipped } from './drafts.ts'
import { outcome, skipping } from './generations.ts'

const prompt = [168, 102, 252, 316, 115, 7, 168, 102]
const vocabSize = 320

/** Three tokens each time, so that there are 27 texts of three. */
const even = { temperature: 1, topK: 3, ignoreEos: true, accept: 'rejection' } as const

/** Draws from logits of its own, which like three tokens that the model does not. */
const disjoint: SingleDraft = {
  name: 'disjoint',
  start: () => ({
    async propose({ sequence, newest, limit, sampler }) {
      const all = [...sequence.tokens, newest]
      const before = all.length
      while (all.length < before + limit) {
        const logits = new Float32Array(vocabSize).fill(0).fill(5, 17, 20)
        all.push(sampler!.choose(logits, all))
      }
      return { tokens: all.slice(before), passes: 0, sublayersRun: 0 }
    },
  }),
}

const good = skipping([3], 'mlp')
const bad = skipping([0, 1, 2])

/** One by one. */
const single: Readonly<Record<string, GenerateOptions>> = {
  'a good skip set': { draft: 'skip', skip: good, draftLength: 2 },
  'a bad skip set': { draft: 'skip', skip: bad, draftLength: 2 },
  'drafts that are disjoint': { draft: disjoint, draftLength: 2 },
  lookup: { draft: 'lookup', draftLength: 2 },
}

/** In batches, which go further for the same time. */
const batched: Readonly<Record<string, GenerateOptions>> = {
  'one token': { draft: 'skip', skip: good, draftLength: 1 },
  'three tokens': { draft: 'skip', skip: good, draftLength: 3 },
  'tokens up to one of little confidence': {
    draft: 'skip',
    skip: good,
    draftLength: threshold({ confidence: 0.01, most: 3 }),
  },
  'a draft temperature of 0': { draft: 'skip', skip: good, draftLength: 2, draftTemperature: 0 },
  'a lower draft temperature': { draft: 'skip', skip: good, draftLength: 2, draftTemperature: 0.4 },
  'a higher draft temperature': { draft: 'skip', skip: good, draftLength: 3, draftTemperature: 3 },
  'a part of the vocabulary': { draft: 'skip', skip: good, draftLength: 2, draftVocabulary: 200 },
  'lookup, then a skip set': { draft: cascade(promptLookup(), skipLayers(good)), draftLength: 2 },
}

describe('a text accepted by rejection', () => {
  let model: Model
  let law: ReadonlyMap<string, number>
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'), { backend: await openBackend('wasm', { threads: 1 }) })
    law = await jointLaw()
  })
  after(async () => {
    await model.dispose()
    await model.backend.dispose()
  })

  /** The probability of each three tokens that may follow the prompt. */
  async function jointLaw(): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>()
    const follow = async (tokens: readonly number[], probability: number): Promise<void> => {
      if (tokens.length === 3) return void found.set(tokens.join(), probability)
      const logits = (await model.logits([...prompt, ...tokens])).slice(-vocabSize)
      const { temperature, topK } = even
      for (const [id, p] of distribution(logits, { temperature, topK }).entries()) {
        if (p > 0) await follow([...tokens, id], probability * p)
      }
    }
    await follow([], 1)
    return found
  }

  /** Holds texts against the law of their first three tokens; returns the share of drafts that were accepted. */
  function expectLaw(results: readonly GenerationResult[]): number {
    const counts = new Map([...law.keys()].map((tokens) => [tokens, 0]))
    for (const { tokens } of results) {
      const key = tokens.slice(0, 3).join()
      assert.ok(counts.has(key), `${key} is not to be had`)
      counts.set(key, counts.get(key)! + 1)
    }
    const chance = chanceOfWorse([...counts.values()], [...law.values()])
    const tests = Object.keys(single).length + Object.keys(batched).length
    assert.ok(chance > 0.01 / tests, `a worse fit has a chance of ${chance}`)
    const sum = (of: 'draftedTokens' | 'acceptedTokens'): number =>
      results.reduce((all, { stats }) => all + stats[of], 0)
    assert.ok(sum('draftedTokens') > 0)
    return sum('acceptedTokens') / sum('draftedTokens')
  }

  function expectAcceptance(name: string, rate: number): void {
    if (/good|skip set|token|temperature|vocabulary/.test(name) && !/bad/.test(name)) {
      assert.ok(rate > 0.05 && rate < 0.98, `${rate}`)
    }
    if (/disjoint/.test(name)) assert.equal(rate, 0)
  }

  for (const [name, draft] of Object.entries(single)) {
    it(`has the law of the model over three tokens, drafted by ${name}`, async () => {
      const results: GenerationResult[] = []
      for (let seed = 0; seed < 500; seed++) {
        results.push(await generate(model, prompt, { ...even, ...draft, seed, maxNewTokens: 3 }).result)
      }
      expectAcceptance(name, expectLaw(results))
    })
  }

  for (const [name, draft] of Object.entries(batched)) {
    it(`has the law of the model over three tokens in batches, drafted by ${name}`, async () => {
      const many = { samples: 1500, width: 50, seed: 1000, maxNewTokens: 4 }
      expectAcceptance(name, expectLaw(await generateBatch(model, [prompt], { ...even, ...draft, ...many }).result))
    })
  }

  it('is again that of its seed and draft length, alone, in a batch, and on more threads', async () => {
    await using other = await loadModel(folderOf('llama2-f32'), { backend: 'wasm', threads: 2 })
    const options = { ...even, topK: 0, draft: 'skip', skip: someSkipped, maxNewTokens: 20 } as const
    for (const draftLength of [1, 3, 'threshold'] as const) {
      const tokens = async (by: Model, seed: number): Promise<readonly number[]> =>
        (await generate(by, prompt, { ...options, draftLength, seed }).result).tokens
      const first = await tokens(model, 5)
      assert.deepEqual(await tokens(model, 5), first)
      assert.deepEqual(await tokens(other, 5), first)
      assert.notDeepEqual(await tokens(model, 6), first)
      const batch = await generateBatch(model, [[9, 9], prompt, [1, 2, 3]], { ...options, draftLength, seed: 4 }).result
      assert.deepEqual(batch[1]!.tokens, first)
    }
  })

  it('is plain decoding’s, bit for bit, where nothing was drawn', async () => {
    for (const seed of [1, 2, 3]) {
      const settings = { ...even, seed, maxNewTokens: 25 }
      const plain = await generate(model, prompt, { ...settings, accept: 'equality', draft: 'none' }).result
      for (const draft of [
        { draft: 'none' },
        { draft: 'lookup', draftLength: 4 },
        { draft: 'skip', skip: good, draftLength: 0 },
      ] as const) {
        assert.deepEqual(outcome(await generate(model, prompt, { ...settings, ...draft }).result), outcome(plain))
      }
    }
  })

  it('is plain decoding’s at temperature 0, for every draft', async () => {
    for (const repetitionPenalty of [1, 1.3]) {
      const settings = { accept: 'rejection', repetitionPenalty, maxNewTokens: 16, ignoreEos: true } as const
      const plain = await generate(model, prompt, { ...settings, accept: 'equality', draft: 'none' }).result
      for (const [name, draft] of Object.entries(everyDraft)) {
        const drafted = await generate(model, prompt, { ...settings, ...draft, draftTemperature: 1 }).result
        assert.deepEqual(outcome(drafted), outcome(plain), name)
      }
    }
  })

  for (const accept of ['equality', 'rejection'] as const) {
    it(`verifies a token whose confidence ended the draft: by ${accept}`, async () => {
      const confidence = 0.0045
      const rounds: RoundTrace[] = []
      await generate(model, prompt, {
        temperature: 1,
        seed: 3,
        accept,
        draft: 'skip',
        skip: good,
        draftLength: threshold({ confidence, most: 4 }),
        maxNewTokens: 60,
        ignoreEos: true,
        onRound: (round) => rounds.push(round),
      }).result
      const cut = rounds.filter(({ confidences = [] }) => confidences.some((found) => found < confidence))
      assert.ok(cut.length > 5 && cut.length < rounds.length)
      for (const { drafted, confidences, rows } of cut) {
        assert.equal(
          confidences!.findIndex((found) => found < confidence),
          drafted.length - 1,
        )
        assert.equal(rows, drafted.length + 1)
      }
      assert.ok(cut.some(({ drafted, accepted }) => accepted === drafted.length))
    })
  }
})
