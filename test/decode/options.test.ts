// What `generate` refuses, and how it says so: a typed error that names the thing, before anything runs.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import { cascade, type GenerateOptions, promptLookup, skipLayers } from 'drafthorse/decode'
import { folderOf, stories260K } from '../checkpoints.ts'
import { assertNothingHeld } from './generations.ts'

const prompt = [168, 102, 252, 316, 115, 7]
const skip = { attention: [1, 2], mlp: [1] }

/** Values that types forbid, and that come from JavaScript all the same. */
const wrong = (value: unknown): never => value as never

describe('generate refuses', () => {
  let model: Model
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'))
  })
  after(() => model.dispose())

  function refuses(name: string, message: RegExp, options: GenerateOptions, ids: readonly number[] = prompt): void {
    it(name, async () => {
      const stream = generate(model, ids, options)
      await assert.rejects(stream.result, { code: 'ERR_ARGUMENT', name: 'ArgumentError', message })
      assertNothingHeld(model)
    })
  }

  refuses('an empty prompt', /prompt is empty/, {}, [])
  refuses('a negative token', /token 1 of the prompt is -1.*0 to 319/, {}, [3, -1])
  refuses('a fractional token', /token 0 of the prompt is 1\.5/, {}, [1.5])
  refuses('a token that is not a number', /token 2 of the prompt is NaN/, {}, [1, 2, Number.NaN])
  refuses('a token past the vocabulary', /token 1 of the prompt is 320.*0 to 319/, {}, [319, 320])
  refuses('a prompt longer than the context', /257 tokens.*256/, {}, new Array<number>(257).fill(5))
  refuses('an attention layer that does not exist', /attention layer 4.*0 to 3/, { skip: { attention: [4], mlp: [] } })
  refuses('an MLP layer that does not exist', /mlp layer -1.*0 to 3/, { skip: { attention: [], mlp: [0, -1] } })
  refuses('a fractional layer', /attention layer 0\.5/, { skip: { attention: [0.5], mlp: [] } })
  refuses('such a layer even if nothing is drafted', /layer 9/, { draft: 'none', skip: { attention: [9], mlp: [] } })
  refuses('half a skip set', /"mlp" is undefined/, { skip: wrong({ attention: [1] }) })
  refuses('a draft length of -1', /draft length is -1/, { skip, draftLength: -1 })
  refuses('a draft length of 1.5', /draft length is 1\.5/, { skip, draftLength: 1.5 })
  refuses('a draft length of NaN', /draft length is NaN/, { skip, draftLength: Number.NaN })
  refuses('a draft length that is neither number nor policy', /draftLength is "long"/, { draftLength: wrong('long') })
  refuses('a policy that says half a token', /policy "odd" said 2\.5/, {
    skip,
    draftLength: { name: 'odd', start: () => ({ next: () => ({ most: 2.5 }) }) },
  })
  refuses('maxNewTokens of 0', /maxNewTokens is 0/, { maxNewTokens: 0 })
  refuses('maxNewTokens of 2.5', /maxNewTokens is 2\.5/, { maxNewTokens: 2.5 })
  refuses('maxNewTokens of -Infinity', /maxNewTokens is -Infinity/, { maxNewTokens: Number.NEGATIVE_INFINITY })
  refuses('an unknown draft', /draft is "turbo".*"none", "skip", "lookup"/, { draft: wrong('turbo') })
  refuses('a draft that is nothing', /draft is "null"/, { draft: wrong(null) })
  refuses('to skip without a skip set', /no skip set of llama2-f32 was found.*--skip-attention/, { draft: 'skip' })
  refuses('a temperature below 0', /temperature is -1.*number from 0/, { temperature: -1 })
  refuses('a temperature over which no logit is a number', /temperature is 1e-320.*from 1e-200/, {
    temperature: 1e-320,
  })
  refuses('a temperature that is no number', /temperature is NaN/, { temperature: Number.NaN })
  refuses('a topK of 1.5', /topK is 1\.5.*whole number/, { topK: 1.5 })
  refuses('a topP of 0', /topP is 0, expected a probability above 0/, { topP: 0 })
  refuses('a minP of 2', /minP is 2/, { minP: 2 })
  refuses('a repetition penalty of 0', /repetitionPenalty is 0/, { repetitionPenalty: 0 })
  refuses('a bias for a token past the vocabulary', /an id of logitBias is 320.*319/, { logitBias: { 320: 1 } })
  refuses('a bias that is no number', /logitBias of 3 is NaN/, { logitBias: { 3: Number.NaN } })
  refuses('a seed of -1', /seed is -1/, { seed: -1 })
  refuses('another way of accepting', /accept is "always"/, { accept: wrong('always') })
  refuses('a draft temperature by equality', /draftTemperature/, { draftTemperature: 0.5 })
  refuses('a draft temperature below 0', /draftTemperature is -1/, {
    temperature: 1,
    accept: 'rejection',
    draftTemperature: -1,
  })
  refuses('such a draft temperature', /draftTemperature is 1e-250.*from 1e-200/, {
    temperature: 1,
    accept: 'rejection',
    draftTemperature: 1e-250,
  })
  refuses('costs of no set', /skipPrior tells of the set of "skip" or "exitLayer"/, { skipPrior: {} })
  refuses('costs that are none', /skipPrior: "survival"\[0\] is 8/, { skip, skipPrior: { survival: [8] } })
  refuses('costs that are no object', /skipPrior/, { skip, skipPrior: wrong('cheap') })
  refuses('a draft vocabulary beside a Draft', /draftVocabulary does nothing.*skipLayers\(skip, \{ head/, {
    draft: skipLayers(skip),
    draftVocabulary: 100,
  })
  refuses('a say on prefix reuse beside a Draft', /reusePrefix does nothing.*skipLayers\(skip, \{ reusePrefix/, {
    draft: cascade(promptLookup(), skipLayers(skip)),
    reusePrefix: false,
  })
  refuses('a draft vocabulary that is none, even if nothing is drafted', /1 to 320/, {
    draft: 'none',
    draftVocabulary: 0,
  })
  refuses('an exit beside a skip set', /"skip" or "exitLayer"/, { skip, exitLayer: 2 })
  refuses('an exit after more layers than there are', /exitLayer is 5.*0 to 4/, { exitLayer: 5 })
  refuses('a cascade without parts', /draft is/, { draft: { name: 'none', parts: [] } })
  refuses('a draft vocabulary larger than the vocabulary', /1 to 320/, { skip, draftVocabulary: 321 })
  refuses('an empty stop string', /stop/, { stop: ['end', ''] })
  refuses('a stop that is no list', /stop/, { stop: wrong('end') })
  refuses('stop strings without a tokenizer', /llama2-f32 has no tokenizer/, { stop: ['end'] })

  it('a sequence of another model on the same backend, whose cache would be wrong', async () => {
    const other = await loadModel(folderOf('llama2-f32'), { backend: model.backend, dtype: 'q8_0' })
    const sequence = other.createSequence()
    await assert.rejects(generate(model, prompt, { sequence }).result, {
      code: 'ERR_ARGUMENT',
      message: /not one of llama2-f32's/,
    })
    await other.dispose()
  })

  it('options, skip sets and token lists that are none', async () => {
    const refused = (message: RegExp) => ({ code: 'ERR_ARGUMENT', message })
    await assert.rejects(generate(model, prompt, wrong(null)).result, refused(/options of generate are null/))
    await assert.rejects(generate(model, prompt, { skip: wrong(null) }).result, refused(/skip set/))
    await assert.rejects(model.logits(wrong(new Set([1]))), refused(/list of token ids/))
    await assert.rejects(model.logits([1], wrong(null)), refused(/options of logits/))
    await assert.rejects(loadModel('stories', wrong(null)), refused(/options of loadModel/))
  })

  it('text without a tokenizer, by a typed error that says what to do', async () => {
    await assert.rejects(generate(model, 'Hello').result, { code: 'ERR_NOT_FOUND', message: /llama2-f32.*token ids/ })
  })

  it('a prompt that is neither text nor ids', async () => {
    for (const prompt of [undefined, null, 5]) {
      await assert.rejects(generate(model, wrong(prompt)).result, { code: 'ERR_ARGUMENT', message: /prompt/ })
    }
  })
})

describe('generate', () => {
  it('drafts with what the model has, under the cost model, unless told otherwise', async () => {
    await using model = await loadModel(folderOf('llama2-f32'))
    for (const set of [undefined, skip]) {
      const { stats } = await generate(model, prompt, { maxNewTokens: 2, skip: set }).result
      assert.deepEqual([stats.draft, stats.skip], ['auto', set])
      assert.match(stats.draftLength ?? '', /^cost model/)
    }
    const { stats } = await generate(model, prompt, { maxNewTokens: 2, draft: 'none' }).result
    assert.deepEqual([stats.draft, stats.draftLength, stats.skip], ['none', undefined, undefined])
  })

  it('takes early exit for the set of all sublayers after a layer', async () => {
    await using model = await loadModel(folderOf('llama2-f32'))
    const exit = await generate(model, prompt, { maxNewTokens: 2, draft: 'skip', exitLayer: 1 }).result
    assert.deepEqual(exit.stats.skip, { attention: [1, 2, 3], mlp: [1, 2, 3] })
  })

  it('makes 200 new tokens at most unless told otherwise, and as many as fit when told Infinity', async () => {
    await using model = await loadModel(folderOf('gqa-tied-bf16'))
    const byDefault = await generate(model, prompt, { ignoreEos: true }).result
    assert.deepEqual([byDefault.tokens.length, byDefault.finishReason], [200, 'length'])
    const all = await generate(model, prompt, { ignoreEos: true, maxNewTokens: Number.POSITIVE_INFINITY }).result
    assert.deepEqual([all.tokens.length, all.finishReason], [250, 'context'])
    assert.deepEqual(all.tokens.slice(0, 200), byDefault.tokens)
  })

  it('is plain decoding at a draft length of 0', async () => {
    await using model = await loadModel(folderOf('llama2-f32'))
    const { stats } = await generate(model, prompt, {
      maxNewTokens: 4,
      ignoreEos: true,
      draft: 'skip',
      skip,
      draftLength: 0,
    }).result
    assert.deepEqual([stats.rounds, stats.draftedTokens, stats.acceptanceRate], [4, 0, undefined])
  })

  it('asks a policy for the length of every draft', async () => {
    await using model = await loadModel(folderOf('llama2-f32'))
    const wanted = [2, 0, 1, 3, 0]
    const policy = { name: 'listed', start: () => ({ next: () => ({ most: wanted.shift() ?? 0 }) }) }
    const drafted: number[] = []
    const options = { maxNewTokens: 30, ignoreEos: true, draft: 'skip', skip, draftLength: policy } as const
    for await (const event of generate(model, prompt, options)) {
      if (event.type === 'draft') drafted.push(event.tokens.length)
    }
    assert.deepEqual(drafted, [2, 1, 3])
  })

  it('takes text where there is a tokenizer', async () => {
    await using model = await loadModel(stories260K)
    const options = { maxNewTokens: 8 }
    const text = await generate(model, 'Once upon', options).result
    const ids = await generate(model, model.tokenizer.encode('Once upon'), options).result
    assert.deepEqual(text.tokens, ids.tokens)
    assert.equal(text.stats.promptTokens, model.tokenizer.encode('Once upon').length)
  })

  it('takes ids from a typed array, and does not mind when the list is changed later', async () => {
    await using model = await loadModel(folderOf('llama2-f32'))
    const ids = [...prompt]
    const stream = generate(model, Int32Array.from(ids) as unknown as number[], { maxNewTokens: 3 })
    const other = generate(model, ids, { maxNewTokens: 3 })
    const reading = other.result
    const { tokens } = await stream.result
    ids.fill(0)
    assert.deepEqual((await reading).tokens, tokens)
  })
})
