// Many texts at once: each is what it would be alone, whenever it begins and ends, and whoever shares its passes.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import {
  type BatchEvent,
  type BatchOptions,
  type BatchPrompt,
  type GenerateOptions,
  type GenerationResult,
  generateBatch,
  type SingleDraft,
  skipLayers,
} from 'drafthorse/decode'
import { folderOf } from '../checkpoints.ts'
import { assertNothingHeld, outcome, skipping } from './generations.ts'

const prompts = [[168, 102, 252], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [300], [11, 12, 13, 14], [7, 7, 7, 7, 7, 7]]
const skip = { attention: [1, 2], mlp: [1] }

/** Copies the last three tokens, and sometimes has nothing. */
const repeating: SingleDraft = {
  name: 'repeating',
  start: () => ({
    guess: (history, limit) => ({ tokens: history.length % 3 ? history.slice(-3).slice(0, limit) : [] }),
  }),
}

const ways: Readonly<Record<string, GenerateOptions>> = {
  plain: { draft: 'none' },
  'skip 4': { draft: 'skip', skip, draftLength: 4 },
  'skip threshold': { draft: 'skip', skip, draftLength: 'threshold' },
  'a guess, then layers': { draft: { name: 'mine', parts: [repeating, skipLayers(skip)] }, draftLength: 3 },
  'two sets of layers and a guess': {
    draft: {
      name: 'mine',
      parts: [repeating, skipLayers(skipping([2])), { ...skipLayers(skipping([3])), name: 'other' }],
    },
    draftLength: 2,
  },
  auto: { draft: 'auto', skip, draftLength: 3 },
  'the cost model': { skip },
  sampled: { draft: 'skip', skip, draftLength: 3, temperature: 1, topK: 40, seed: 5 },
  'sampled by the cost model': { skip, temperature: 0.8, repetitionPenalty: 1.2, seed: 11 },
}

async function collect(
  model: Model,
  list: readonly BatchPrompt[],
  options: BatchOptions,
): Promise<{ events: BatchEvent[]; results: readonly GenerationResult[] }> {
  const stream = generateBatch(model, list, options)
  const events: BatchEvent[] = []
  for await (const event of stream) events.push(event)
  return { events, results: await stream.result }
}

for (const backend of ['reference', 'wasm']) {
  describe(`a batch on ${backend}`, () => {
    let model: Model
    before(async () => {
      model = await loadModel(folderOf('llama2-f32'), { backend })
    })
    after(() => model.dispose())
    afterEach(() => {
      assertNothingHeld(model)
    })

    for (const [name, way] of Object.entries(ways)) {
      it(`equals the single runs, whatever its width: ${name}`, async () => {
        const settings = { maxNewTokens: 17, ignoreEos: true, ...way }
        for (const width of backend === 'reference' ? [2, 5] : [1, 2, 5]) {
          const { results } = await collect(model, prompts, { ...settings, width })
          assert.equal(results.length, prompts.length)
          for (const [i, result] of results.entries()) {
            const alone = await generate(model, prompts[i]!, { ...settings, seed: result.stats.seed }).result
            assert.deepEqual(outcome(result), outcome(alone), `prompt ${i}, width ${width}`)
          }
        }
      })
    }

    it('makes samples of a prompt that share its rows, each with a seed of its own', async () => {
      const settings = {
        maxNewTokens: 9,
        ignoreEos: true,
        temperature: 1,
        draft: 'skip',
        skip,
        draftLength: 2,
      } as const
      const { results } = await collect(model, prompts.slice(0, 3), { ...settings, samples: 3, width: 4, seed: 20 })
      assert.deepEqual(
        results.map(({ stats }) => stats.seed),
        [20, 21, 22, 23, 24, 25, 26, 27, 28],
      )
      for (const [i, result] of results.entries()) {
        const prompt = prompts[Math.floor(i / 3)]!
        const alone = await generate(model, prompt, { ...settings, seed: result.stats.seed }).result
        assert.deepEqual(outcome(result), outcome(alone), `text ${i}`)
        const rows = prompt.length - 1
        const { reusedTokens, prefillPasses } = result.stats
        assert.deepEqual([reusedTokens, prefillPasses], i % 3 === 0 ? [0, rows > 0 ? 1 : 0] : [rows, 0])
      }
      assert.equal(new Set(results.slice(0, 3).map(({ tokens }) => tokens.join())).size, 3)
    })
  })
}

describe('a batch', () => {
  let model: Model
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'), { backend: 'reference' })
  })
  after(() => model.dispose())
  afterEach(() => {
    assertNothingHeld(model)
  })
  const settings = { maxNewTokens: 6, ignoreEos: true, draft: 'none' } as const

  it('shares the passes of its rounds', async () => {
    const one = await generate(model, prompts[0]!, settings).result
    const { results } = await collect(model, prompts, { ...settings, width: 5 })
    assert.ok(results.every(({ stats }) => stats.rounds === one.stats.rounds))
    const drafted = { ...settings, draft: 'skip', skip, draftLength: 3 } as const
    let passes = 0
    const counting = skipLayers(skip)
    const counted: SingleDraft = {
      ...counting,
      together(llama, rounds) {
        passes += 1
        assert.ok(rounds.length > 1)
        return counting.together!(llama, rounds)
      },
    }
    await collect(model, prompts.slice(0, 2), { ...drafted, draft: counted, width: 2, draftLength: 1, maxNewTokens: 3 })
    assert.ok(passes > 0)
  })

  it('has options for each prompt', async () => {
    const { results } = await collect(
      model,
      [{ prompt: prompts[0]!, maxNewTokens: 2 }, prompts[1]!, { prompt: prompts[0]!, temperature: 1, seed: 3 }],
      settings,
    )
    assert.deepEqual(
      results.map(({ tokens }) => tokens.length),
      [2, 6, 6],
    )
    const alone = await generate(model, prompts[0]!, { ...settings, temperature: 1, seed: 3 }).result
    assert.deepEqual(outcome(results[2]!), outcome(alone))
    assert.deepEqual(
      results.map(({ stats }) => stats.seed),
      [undefined, undefined, 3],
    )
  })

  it('tells of each text what that has, in order, with its index', async () => {
    const { events, results } = await collect(model, prompts, { ...settings, width: 2 })
    for (const [index, { tokens }] of results.entries()) {
      const mine = events.filter((event) => event.index === index)
      assert.deepEqual(
        mine.flatMap((event) => (event.type === 'token' ? [event.id] : [])),
        tokens,
      )
      const last = mine.at(-1)
      assert.equal(last?.type, 'done')
      assert.equal(mine.filter(({ type }) => type === 'done').length, 1)
    }
    const ended = events.findIndex((event) => event.type === 'done')
    const third = events.findIndex(({ index }) => index === 2)
    assert.ok(ended !== -1 && ended < third, 'the third text begins when one of the first two has ended')
  })

  it('ends where its texts end, each for its own reason', async () => {
    const first = await generate(model, prompts[0]!, settings).result
    const eosTokenIds = [first.tokens[2]!]
    const ending = await loadModel(folderOf('llama2-f32'), { backend: 'reference' })
    const changed: Model = Object.create(ending, { config: { value: { ...ending.config, eosTokenIds } } })
    const long = Array.from({ length: ending.config.maxPositionEmbeddings }, (_, i) => i % 300)
    const { results } = await collect(changed, [prompts[0]!, long, long.slice(0, -2), prompts[3]!], {
      ...settings,
      ignoreEos: false,
    })
    assert.deepEqual(results.map(({ finishReason }) => finishReason).slice(0, 3), ['eos', 'context', 'context'])
    assert.deepEqual(results.map(({ tokens }) => tokens.length).slice(0, 3), [
      first.tokens.indexOf(eosTokenIds[0]!) + 1,
      0,
      2,
    ])
    await ending.dispose()
  })

  it('that is left, or aborted, keeps what was told, and frees everything', async () => {
    const stream = generateBatch(model, prompts, { ...settings, width: 2, samples: 2 })
    let told = 0
    for await (const { type } of stream) if (type === 'token' && ++told === 5) break
    const results = await stream.result
    assert.equal(results.length, 10)
    assert.equal(
      results.reduce((sum, { tokens }) => sum + tokens.length, 0),
      5,
    )
    assert.ok(results.every(({ finishReason }) => finishReason === 'aborted'))

    const controller = new AbortController()
    const aborted = generateBatch(model, prompts, { ...settings, width: 3, signal: controller.signal })
    const ended: number[] = []
    for await (const event of aborted) {
      if (event.type === 'token' && event.index === 1) controller.abort()
      if (event.type === 'done') ended.push(event.index)
    }
    assert.deepEqual(ended.toSorted(), [0, 1, 2, 3, 4])
    assert.ok((await aborted.result).every(({ finishReason }) => finishReason === 'aborted'))
  })

  it('that throws in a draft rejects with that error, and frees everything', async () => {
    const mine = new Error('out of ideas')
    let calls = 0
    const throwing: SingleDraft = {
      name: 'throwing',
      start: () => ({
        propose: async () => {
          if (++calls > 3) throw mine
          return { tokens: [], passes: 0, sublayersRun: 0 }
        },
      }),
    }
    const stream = generateBatch(model, prompts, { ...settings, draft: throwing, draftLength: 2 })
    await assert.rejects(stream.result, (error) => error === mine)
  })

  it('has memory to choose tokens in for the texts in the making, not for all that there will be', async () => {
    const { vocabSize } = model.config
    const texts = 3_000
    const [all, few] = [texts * vocabSize, 200 * vocabSize].map((tokens) => tokens * Float64Array.BYTES_PER_ELEMENT)
    let [began, most, asked] = [0, 0, 0]
    const held = (): number => process.memoryUsage().arrayBuffers
    /** The first time is when the first text begins: all is planned, and nothing has run. */
    function clock(): number {
      if (asked++ < 2) most = Math.max(most, held() - began)
      return asked
    }
    for (const accept of ['equality', 'rejection'] as const) {
      const left = new AbortController()
      const one = { ...settings, temperature: 1, topK: 5, accept, clock, signal: left.signal }
      const stream = generateBatch(model, [[1]], { ...one, samples: texts })
      ;[began, most, asked] = [held(), 0, 0]
      for await (const _ of stream) left.abort()
      assert.equal((await stream.result).length, texts)
      assert.ok(asked > 0)
      assert.ok(most < few!, `${most} bytes, where each having its own is over ${all}`)
    }
  })

  it('refuses what cannot be done, by a typed error', async () => {
    const refused: readonly (readonly [RegExp, readonly BatchPrompt[], BatchOptions])[] = [
      [/at least one/, [], {}],
      [/width is 0/, prompts, { width: 0 }],
      [/samples is 1\.5/, prompts, { samples: 1.5 }],
      [/token 0 of the prompt is 320/, [prompts[0]!, [320]], {}],
      [/maxNewTokens is 0/, [{ prompt: [1], maxNewTokens: 0 }], {}],
      [/temperature is -1/, [prompts[0]!, { prompt: [1], temperature: -1 }], {}],
      [/draftTemperature is -1/, prompts, { temperature: 1, accept: 'rejection', draftTemperature: -1 }],
    ]
    for (const [message, list, options] of refused) {
      await assert.rejects(generateBatch(model, list, options).result, { code: 'ERR_ARGUMENT', message })
    }
  })
})
