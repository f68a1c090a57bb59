// Defects of the code that was published with the paper (Zhang et al. 2024), none of which is here. docs/tour.md says where
// each of them is.
import assert from 'node:assert/strict'
import { distribution, generate, loadModel, type Model, type SkipSet } from 'drafthorse'
import {
  adaptive,
  adaptiveState,
  type GenerateOptions,
  type GenerationEvent,
  type GenerationResult,
  type GenerationStream,
  generateBatch,
  type RoundTrace,
  type SingleDraft,
} from 'drafthorse/decode'
import { openBackend } from 'drafthorse/engine'
import { type Draw, verifyDraw } from '../../decode/accept/rejection.ts'

import { uniformAt } from '../../decode/random.ts'
import { argmax, edited, folderOf } from '../checkpoints.ts'
import { chanceOfWorse } from './chi-square.ts'
import { collect, skipping } from './generations.ts'

const prompt = [168, 102, 252, 316, 115, 7]
const skip: SkipSet = { attention: [1, 2], mlp: [1] }

/** Knows the text, and proposes it. */
function knowing(text: readonly number[]): SingleDraft {
  return {
    name: 'knowing',
    start: () => ({ guess: ({ length }, limit) => ({ tokens: text.slice(length, length + limit) }) }),
  }
}

/** Drafts of every kind: wrong ones, ones that the model confirms to the last, and none. */
const drafts: Readonly<Record<string, GenerateOptions>> = {
  none: { draft: 'none' },
  'of nothing': { draft: 'skip', skip, draftLength: 0 },
  skip: { draft: 'skip', skip, draftLength: 4 },
  'skip, all accepted': { draft: 'skip', skip: skipping([]), draftLength: 4 },
  'early exit': { draft: 'skip', exitLayer: 1, draftLength: 'threshold' },
  cascade: { draft: 'cascade', skip, draftLength: 3 },
  default: { skip },
}

describe('the first generated token', () => {
  it('is not lost, whatever drafts and however long the prompt is', async () => {
    await using model = await loadModel(folderOf('gqa-tied-bf16'))
    const { vocabSize } = model.config
    for (const ids of [prompt, prompt.slice(0, 1)]) {
      const first = argmax((await model.logits(ids)).slice(-vocabSize))
      for (const [name, draft] of Object.entries(drafts)) {
        const rounds: (readonly number[])[] = []
        const onRound = ({ tokens }: RoundTrace): void => void rounds.push(tokens)
        const options = { ...draft, maxNewTokens: 9, ignoreEos: true, onRound }
        const { events, result } = await collect(generate(model, ids, options))
        assert.equal(result.tokens[0], first, name)
        assert.equal(result.tokens.length, 9)
        const told = events.flatMap((event) => (event.type === 'token' ? [event] : []))
        assert.deepEqual(
          told.map(({ id }) => id),
          result.tokens,
        )
        assert.deepEqual(
          told.map(({ index }) => index),
          [0, 1, 2, 3, 4, 5, 6, 7, 8],
        )
        assert.deepEqual(rounds.flat(), result.tokens)
      }
    }
  })

  it('is in the text', async () => {
    await using model = await loadModel('stories')
    const { tokenizer } = model
    const start = 'Once upon a time'
    const ids = tokenizer.encode(start)
    const { tokens, text } = await generate(model, start, { maxNewTokens: 6 }).result
    assert.equal(start + text, tokenizer.decode([...ids, ...tokens]).replace(/^<\|endoftext\|>/, ''))
    assert.match(text, /^, /)
  })
})

describe('after the end of sequence', () => {
  it('no token is kept, told or cached, wherever the draft had it and whatever stands there after it', async () => {
    await using model = await loadModel(folderOf('gqa-tied-bf16'))
    const { tokens } = await generate(model, prompt, { draft: 'none', ignoreEos: true, maxNewTokens: 12 }).result
    const text = [...prompt, ...tokens]
    const ways = { ...drafts, 'that know the text': { draft: knowing(text), draftLength: 12 } }
    for (const end of [0, 3, 4, 7]) {
      const expected = tokens.slice(0, tokens.indexOf(tokens[end]!) + 1)
      await using ending = await loadModel(await edited('gqa-tied-bf16', { eos_token_id: tokens[end] }))
      for (const [name, way] of Object.entries(ways)) {
        const sequence = ending.createSequence()
        const traced: number[] = []
        const onRound = ({ tokens }: RoundTrace): void => void traced.push(...tokens)
        const options = { ...way, maxNewTokens: 12, sequence, onRound }
        const { events, result } = await collect(generate(ending, prompt, options))
        assert.deepEqual([result.tokens, result.finishReason], [expected, 'eos'], `${name}, end at ${end}`)
        const told = events.flatMap((event) => (event.type === 'token' ? [event.id] : []))
        assert.deepEqual([told, traced, result.stats.newTokens], [expected, expected, expected.length])
        assert.deepEqual(sequence.tokens, [...prompt, ...expected.slice(0, -1)])
        assert.equal(sequence.length, sequence.tokens.length)
        sequence.dispose()
      }
    }
  })

  it('no token is kept where texts are sampled, by either rule of acceptance, or are in a batch', async () => {
    const settings = { temperature: 1, skip: skipping([]), draft: 'skip', draftLength: 6, maxNewTokens: 40 } as const
    const ends = [5, 17, 33, 60, 100, 150, 200, 250, 300]
    await using model = await loadModel(await edited('llama2-f32', { eos_token_id: ends }))
    let found = 0
    for (const accept of ['equality', 'rejection'] as const) {
      const batch = await generateBatch(model, [prompt], { ...settings, accept, samples: 8, seed: 1 }).result
      const single = await generate(model, prompt, { ...settings, accept, seed: 30 }).result
      for (const { tokens, finishReason } of [...batch, single]) {
        const at = tokens.findIndex((token) => ends.includes(token))
        if (finishReason === 'eos') found++
        assert.equal(at, finishReason === 'eos' ? tokens.length - 1 : -1)
      }
    }
    assert.ok(found > 5, `${found} texts ended`)
  })
})

describe('where nothing is drafted', () => {
  /** Every number in a value, by where it stands. */
  function numbersOf(value: unknown, where = ''): [where: string, number: number][] {
    if (typeof value === 'number') return [[where, value]]
    if (typeof value !== 'object' || value === null) return []
    return Object.entries(value).flatMap(([key, inner]) => numbersOf(inner, `${where}.${key}`))
  }

  it('nothing is divided by zero: there is no acceptance rate, and every figure is a number', async () => {
    await using model = await loadModel(folderOf('llama2-f32'))
    const never: SingleDraft = { name: 'never', start: () => ({ guess: () => ({ tokens: [] }) }) }
    const ways: Readonly<Record<string, GenerateOptions>> = {
      'plain decoding': { draft: 'none' },
      'one new token': { draft: 'skip', skip, maxNewTokens: 1 },
      'one new token, by the paper’s rule': { draft: 'skip', skip, maxNewTokens: 1, draftLength: 'adaptive' },
      'a length of 0': { draft: 'skip', skip, draftLength: 0 },
      'a draft that has nothing': { draft: never },
      'a draft that has nothing, by the paper’s rule': { draft: never, draftLength: 'adaptive' },
      'no token fits': { draft: 'skip', skip, maxNewTokens: 1 },
    }
    for (const [name, way] of Object.entries(ways)) {
      await using full = await loadModel(await edited('llama2-f32', { max_position_embeddings: prompt.length }))
      const runner = name === 'no token fits' ? full : model
      for (const clock of [undefined, () => 0]) {
        const { stats } = await generate(runner, prompt, { maxNewTokens: 3, ignoreEos: true, ...way, clock }).result
        assert.equal(stats.draftedTokens, 0, name)
        assert.equal(stats.acceptanceRate, undefined, name)
        for (const [where, number] of numbersOf(stats))
          assert.ok(Number.isFinite(number), `${name}: ${where} is ${number}`)
      }
    }
  })

  it('the paper’s rule for the draft length stays as it was, and goes on', () => {
    const [calm, other] = [adaptiveState(), adaptiveState()]
    const round = { ms: 1, draftPasses: 1, draftMs: 0, verifyMs: 1, rows: 1 }
    for (const state of [calm, other]) {
      const session = adaptive({ state }).start({ drafts: ['skip'], freeReads: false })
      const observe = (drafted: number, accepted: number): void =>
        session.observe?.({
          ...round,
          lanes: [{ draft: 'skip', limit: 12, drafted, accepted, confidences: new Array(drafted).fill(1) }],
        })
      observe(4, 2)
      for (let plain = 0; state === other && plain < 20; plain++) observe(0, 0)
      observe(4, 4)
    }
    assert.deepEqual(other, calm)
    assert.ok(calm.acceptanceRate > 0 && calm.threshold > 0)
  })
})

describe('a sampled text', () => {
  const settings = { temperature: 1, topK: 3 } as const
  const samples = 1500
  let model: Model
  let p: Float64Array
  let q: Float64Array
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'), { backend: await openBackend('wasm', { threads: 1 }) })
    const { vocabSize } = model.config
    const last = async (skip: SkipSet) => (await model.logits(prompt, { skip })).slice(-vocabSize)
    p = distribution(await last(skipping([])), settings)
    q = distribution(await last(skip), settings)
  })
  after(async () => {
    await model.dispose()
    await model.backend.dispose()
  })

  /** The chance of a worse fit to the model's law of first tokens, made with these seeds. */
  async function chance(first: (seed: number) => number | Promise<number>): Promise<number> {
    const counts = new Array<number>(p.length).fill(0)
    for (let seed = 0; seed < samples; seed++) counts[await first(seed)]!++
    return chanceOfWorse(counts, [...p])
  }

  it('has another law where a draft that takes its likeliest token is weighed as if it were drawn: so much shows', async () => {
    const weights = (values: Float64Array): Draw['q'] => ({ values: values.slice(), total: 1 })
    const first = (seed: number): number =>
      verifyDraw(
        { token: argmax(Float32Array.from(q)), q: weights(q) },
        { p: weights(p), toAccept: uniformAt(seed, 1, 0), toReplace: uniformAt(seed, 2, 0) },
      )
    assert.ok((await chance(first)) < 1e-9)
  })

  const ways: Readonly<Record<string, GenerateOptions>> = {
    equality: { accept: 'equality' },
    rejection: { accept: 'rejection' },
    'rejection, of drafts that take their likeliest token': { accept: 'rejection', draftTemperature: 0 },
    'rejection, of drafts of another temperature': { accept: 'rejection', draftTemperature: 0.5 },
  }
  for (const [name, way] of Object.entries(ways)) {
    it(`has the model’s law, accepted by ${name}`, async function () {
      this.timeout(60_000)
      const draft = { draft: 'skip', skip, draftLength: 1, maxNewTokens: 2, ignoreEos: true } as const
      const total = { drafted: 0, accepted: 0 }
      const first = async (seed: number): Promise<number> => {
        const { tokens, stats } = await generate(model, prompt, { ...settings, ...draft, ...way, seed }).result
        total.drafted += stats.draftedTokens
        total.accepted += stats.acceptedTokens
        return tokens[0]!
      }
      const found = await chance(first)
      assert.ok(found > 1e-3, `${found}`)
      assert.equal(total.drafted, samples)
      assert.ok(total.accepted > samples / 10 && total.accepted < 0.9 * samples, `${total.accepted} accepted`)
    })
  }
})

describe('a skip set', () => {
  /** A checkpoint that brings its own. */
  async function bringing(name: 'llama2-f32' | 'gqa-tied-bf16', skip: SkipSet): Promise<Model> {
    const files = await edited(name, {}, { 'skip_layers.json': JSON.stringify(skip) })
    return loadModel(files, { backend: 'reference' })
  }

  /** Streams pulled in turn, an event of each; their events as they came. */
  async function interleaved(streams: readonly GenerationStream[]): Promise<GenerationEvent[][]> {
    const events = streams.map((): GenerationEvent[] => [])
    let open = streams.map((stream, i) => ({ iterator: stream[Symbol.asyncIterator](), i }))
    while (open.length > 0) {
      const steps = await Promise.all(open.map(async (one) => ({ ...one, step: await one.iterator.next() })))
      open = steps.filter(({ i, step }) => {
        if (!step.done) events[i]!.push(step.value)
        return !step.done
      })
    }
    return events
  }

  /** What a leak would change, times apart: the tokens would stay the same, for they are verified. */
  const marks = (events: readonly GenerationEvent[]): unknown =>
    events.map((event) => (event.type === 'done' ? work(event.result) : event))
  const work = ({ tokens, stats }: GenerationResult): unknown => {
    const { skip, draftedTokens, acceptedTokens, draftPasses, sublayersRun, rounds } = stats
    return { tokens, skip, draftedTokens, acceptedTokens, draftPasses, sublayersRun, rounds }
  }

  const settings = { maxNewTokens: 14, ignoreEos: true, draft: 'skip', draftLength: 3 } as const

  it('is one model’s own and does not leak to another, each with its own, at work at once', async () => {
    await using one = await bringing('llama2-f32', skipping([1], 'mlp'))
    await using other = await bringing('gqa-tied-bf16', skipping([1, 2]))
    const start = (model: Model): GenerationStream => generate(model, prompt, settings)
    const alone = [await collect(start(one)), await collect(start(other))].map(({ events }) => marks(events))
    const together = await interleaved([start(one), start(other)])
    assert.deepEqual(together.map(marks), alone)
    assert.deepEqual([one.skip, other.skip], [skipping([1], 'mlp'), skipping([1, 2])])
  })

  it('is one generation’s own and does not leak to others of the same model, drafted or plain, or to its logits', async () => {
    await using model = await bringing('llama2-f32', skipping([3], 'mlp'))
    const ways: readonly GenerateOptions[] = [
      {},
      { skip: skipping([0, 1, 2]) },
      { skip: skipping([2], 'attention') },
      { exitLayer: 1 },
      { draft: 'none' },
    ]
    const start = (way: GenerateOptions): GenerationStream => generate(model, prompt, { ...settings, ...way })
    const alone: unknown[] = []
    for (const way of ways) alone.push(marks((await collect(start(way))).events))
    const logits = await model.logits(prompt)
    const streams = ways.map(start)
    const [together, during] = await Promise.all([interleaved(streams), model.logits(prompt)])
    assert.deepEqual(together.map(marks), alone)
    assert.deepEqual(during, logits)
    assert.ok(new Set(alone.map((one) => JSON.stringify(one))).size === ways.length)
  })
})
