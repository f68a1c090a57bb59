// Sampled texts: the same for every draft as without one, and drawn by the model's own law.
import assert from 'node:assert/strict'
import { distribution, generate, loadModel, type Model, type SamplingOptions, type SkipSet } from 'drafthorse'
import type { Draft, GenerateOptions } from 'drafthorse/decode'
import { openBackend } from 'drafthorse/engine'
import { argmax, folderOf } from '../checkpoints.ts'
import { chanceOfWorse } from './chi-square.ts'
import { outcome, skipping } from './generations.ts'

const prompt = [1, 403, 407, 261].map((id) => id % 320)

/** Proposes what no sampling would: the id after the newest, four times. */
const disjoint: Draft = {
  name: 'disjoint',
  start: () => ({
    propose: async ({ newest, limit }) => ({
      tokens: Array.from({ length: Math.min(4, limit) }, (_, i) => (newest + i + 1) % 320),
      passes: 0,
      sublayersRun: 0,
    }),
  }),
}

const sets: Readonly<Record<string, SkipSet>> = {
  good: skipping([3], 'mlp'),
  bad: skipping([0, 1, 2]),
  'of everything': skipping([0, 1, 2, 3]),
}

const drafts: readonly (readonly [name: string, options: GenerateOptions])[] = [
  ...Object.entries(sets).flatMap(([name, skip]) =>
    ([1, 4, 8, 'threshold'] as const).map((draftLength): [string, GenerateOptions] => [
      `${name}, ${draftLength}`,
      { draft: 'skip', skip, draftLength },
    ]),
  ),
  ['of one’s own, always wrong', { draft: disjoint, draftLength: 4 }],
]

const ways: readonly SamplingOptions[] = [
  { temperature: 0.7 },
  { temperature: 1, topK: 40, topP: 0.9 },
  { temperature: 1.5, repetitionPenalty: 1.3 },
  { temperature: 0, repetitionPenalty: 1.5, logitBias: { 7: 0.5 } },
]

for (const backendName of ['reference', 'wasm']) {
  describe(`sampled decoding on ${backendName}`, () => {
    let model: Model
    before(async () => {
      model = await loadModel(folderOf('llama2-f32'), { backend: backendName })
    })
    after(() => model.dispose())

    for (const way of backendName === 'reference' ? ways.slice(1, 3) : ways) {
      it(`gives the tokens of plain decoding for every draft: ${JSON.stringify(way)}`, async () => {
        for (const seed of backendName === 'reference' ? [1] : [1, 2]) {
          const settings = { ...way, seed, maxNewTokens: 30, ignoreEos: true }
          const plain = await generate(model, prompt, { ...settings, draft: 'none' }).result
          for (const [name, draft] of drafts) {
            const result = await generate(model, prompt, { ...settings, ...draft }).result
            assert.deepEqual(outcome(result), outcome(plain), `${name}, seed ${seed}`)
          }
        }
      })
    }
  })
}

describe('a sampled text', () => {
  let model: Model
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'), { backend: await openBackend('wasm', { threads: 1 }) })
  })
  after(async () => {
    await model.dispose()
    await model.backend.dispose()
  })
  const settings = { temperature: 1, maxNewTokens: 12, ignoreEos: true } as const
  const told = async (options: GenerateOptions) =>
    (await generate(model, prompt, { ...settings, ...options }).result).tokens

  it('is that of its seed, on any number of threads, and another with another seed', async () => {
    const tokens = await told({ seed: 5 })
    await using other = await loadModel(folderOf('llama2-f32'), { backend: 'wasm', threads: 2 })
    assert.deepEqual((await generate(other, prompt, { ...settings, seed: 5 }).result).tokens, tokens)
    assert.notDeepEqual(await told({ seed: 6 }), tokens)
    assert.notDeepEqual(await told({ seed: 5 + 2 ** 32 }), tokens)
  })

  it('has a seed of its own where none is given, which the statistics have', async () => {
    const { tokens, stats } = await generate(model, prompt, settings).result
    assert.notEqual(stats.seed, (await generate(model, prompt, settings).result).stats.seed)
    assert.deepEqual(await told({ seed: stats.seed }), tokens)
    assert.ok(stats.milliseconds.sample > 0)
    const greedy = await generate(model, prompt, { maxNewTokens: 1 }).result
    assert.deepEqual([greedy.stats.seed, greedy.stats.milliseconds.sample], [undefined, 0])
  })

  it('goes on from a cache as it would have without a break', async () => {
    const whole = await told({ seed: 9 })
    const sequence = model.createSequence()
    const first = await told({ seed: 9, maxNewTokens: 5, sequence })
    const continued = [...prompt, ...first]
    const { tokens } = await generate(model, continued, { ...settings, seed: 9, maxNewTokens: 7, sequence }).result
    assert.deepEqual([...first, ...tokens], whole)
    sequence.dispose()
  })

  it('has at temperature 0 the likeliest token after penalties, whose history holds the drafts before it', async () => {
    const options = { repetitionPenalty: 1.5 }
    const tokens = await told({ ...options, temperature: 0, draft: 'skip', skip: sets['good'], draftLength: 4 })
    const all = [...prompt]
    for (const token of tokens) {
      const logits = (await model.logits(all)).slice(-320)
      assert.equal(token, argmax(Float32Array.from(distribution(logits, { ...options, temperature: 1 }, all))))
      all.push(token)
    }
  })

  // Three tokens of three each: the first round accepts, rejects and drafts anew, or ends with the model's own token.
  for (const [name, skip] of Object.entries(sets)) {
    it(`has the joint law of the model over three tokens, drafted with a set that is ${name}`, async function () {
      this.timeout(60_000)
      const options = { temperature: 1, topK: 3 }
      const law = new Map<string, number>()
      const follow = async (tokens: readonly number[], probability: number): Promise<void> => {
        if (tokens.length === 3) return void law.set(tokens.join(), probability)
        const logits = (await model.logits([...prompt, ...tokens])).slice(-320)
        for (const [id, p] of distribution(logits, options).entries())
          if (p > 0) await follow([...tokens, id], probability * p)
      }
      await follow([], 1)
      const counts = new Map([...law.keys()].map((key) => [key, 0]))
      const [seen, wanted] = [{ accepted: 0, drafted: 0 }, name === 'good']
      for (let seed = 0; seed < 1500; seed++) {
        const draft = { draft: 'skip', skip, draftLength: 2 } as const
        const { tokens, stats } = await generate(model, prompt, {
          ...options,
          ...draft,
          seed,
          maxNewTokens: 3,
          ignoreEos: true,
        }).result
        seen.accepted += stats.acceptedTokens
        seen.drafted += stats.draftedTokens
        assert.ok(counts.has(tokens.join()), `${tokens} is not to be had`)
        counts.set(tokens.join(), counts.get(tokens.join())! + 1)
      }
      // Drafts of three tokens each that have none in common with the model's are never right.
      assert.equal(seen.accepted > 0, wanted)
      assert.ok(seen.accepted < seen.drafted)
      assert.ok(chanceOfWorse([...counts.values()], [...law.values()]) > 1e-4)
    })
  }
})
