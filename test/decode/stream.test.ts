// The stream of a generation: lazy, read once, and clean after every way that it can end.
import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { generate, loadModel, type Model } from 'drafthorse'
import type { GenerationResult } from 'drafthorse/decode'
import { type MemoryUse, openBackend } from 'drafthorse/engine'
import fc from 'fast-check'
import { folderOf } from '../checkpoints.ts'
import { collect, outcome, turns, watched } from './generations.ts'

const prompt = [168, 102, 252, 316, 115, 7]
const skip = { attention: [1, 2], mlp: [1] }
const settings = { maxNewTokens: 12, ignoreEos: true, draft: 'skip', skip, draftLength: 3 } as const

describe('a generation stream', () => {
  let model: Model
  let expected: GenerationResult
  let level: MemoryUse
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  let calls = 0
  let failAt = Number.POSITIVE_INFINITY
  const failure = new Error('this kernel is broken')

  before(async () => {
    process.on('unhandledRejection', note)
    const backend = await watched(() => {
      calls++
      if (calls === failAt) throw failure
    })
    model = await loadModel(folderOf('llama2-f32'), { backend })
    expected = await generate(model, prompt, { ...settings, draft: 'none' }).result
    level = model.backend.memory()
  })
  beforeEach(() => {
    calls = 0
    failAt = Number.POSITIVE_INFINITY
  })
  after(async () => {
    await model.dispose()
    process.off('unhandledRejection', note)
  })
  /** After every test: nothing left, nothing unhandled, and the model as good as new. */
  afterEach(async () => {
    failAt = Number.POSITIVE_INFINITY
    await turns()
    assert.deepEqual(unhandled.splice(0), [])
    assert.deepEqual(model.backend.memory(), level)
    assert.deepEqual(outcome(await generate(model, prompt, settings).result), outcome(expected))
  })

  it('runs nothing when it is never read', async () => {
    const stream = generate(model, prompt, settings)
    const iterator = stream[Symbol.asyncIterator]()
    await turns()
    assert.equal(calls, 0)
    assert.equal(model.backend.memory().caches, 0)
    await iterator.return?.()
    assert.equal(calls, 0)
  })

  it('checks nothing before it is read, and then throws where it is read', async () => {
    const stream = generate(model, [], settings)
    await assert.rejects(collect(stream), { code: 'ERR_ARGUMENT' })
    await assert.rejects(stream.result, { code: 'ERR_ARGUMENT' })
  })

  it('gives its result without being iterated, every time it is asked', async () => {
    const stream = generate(model, prompt, settings)
    assert.deepEqual(outcome(await stream.result), outcome(expected))
    assert.equal(await stream.result, await stream.result)
  })

  it('gives the result of its last event, also when it was asked for beforehand', async () => {
    const stream = generate(model, prompt, settings)
    const { result } = stream
    const { events } = await collect(stream)
    const last = events.at(-1)!
    assert.ok(last.type === 'done')
    assert.equal(last.result, await result)
  })

  it('gives its result to whoever waits while another iterates', async () => {
    const stream = generate(model, prompt, settings)
    const seen: number[] = []
    const [{ tokens }] = await Promise.all([
      stream.result,
      (async () => {
        for await (const event of stream) if (event.type === 'token') seen.push(event.id)
      })(),
    ])
    assert.deepEqual(tokens, seen)
  })

  it('refuses a second reader with a typed error', async () => {
    const stream = generate(model, prompt, settings)
    const { result } = await collect(stream)
    await assert.rejects(collect(stream), { code: 'ERR_ARGUMENT', message: /read once/ })
    assert.equal(await stream.result, result)

    const drained = generate(model, prompt, settings)
    await drained.result
    await assert.rejects(collect(drained), { code: 'ERR_ARGUMENT', message: /read once/ })
  })

  it('ends when the loop is left, at the token that was seen last', async () => {
    for (let seen = 1; seen <= settings.maxNewTokens; seen++) {
      const stream = generate(model, prompt, settings)
      for await (const event of stream) if (event.type === 'token' && event.index === seen - 1) break
      const { tokens, finishReason, stats } = await stream.result
      assert.deepEqual(tokens, expected.tokens.slice(0, seen))
      assert.equal(finishReason, 'aborted')
      assert.equal(stats.newTokens, seen)
      assert.equal(model.backend.memory().caches, 0)
    }
  })

  it('ends when the loop is left before the first token', async () => {
    const stream = generate(model, prompt, settings)
    for await (const event of stream) if (event.type === 'draft') break
    const { tokens, text, finishReason } = await stream.result
    assert.deepEqual({ tokens, text, finishReason }, { tokens: [], text: '', finishReason: 'aborted' })
  })

  it('ends when the reader throws, and lets that error through', async () => {
    const stream = generate(model, prompt, settings)
    const mine = new Error('the reader failed')
    const reading = async (): Promise<void> => {
      for await (const event of stream) if (event.type === 'token') throw mine
    }
    await assert.rejects(reading, mine)
    const { tokens, finishReason } = await stream.result
    assert.deepEqual({ tokens, finishReason }, { tokens: expected.tokens.slice(0, 1), finishReason: 'aborted' })
  })

  it('ends when it is thrown into, at any time', async () => {
    for (const steps of [0, 1, 5]) {
      const stream = generate(model, prompt, settings)
      const iterator = stream[Symbol.asyncIterator]()
      for (let i = 0; i < steps; i++) await iterator.next()
      const mine = new Error('thrown into')
      await assert.rejects(iterator.throw!(mine), mine)
      assert.deepEqual(await iterator.next(), { done: true, value: undefined })
      assert.equal((await stream.result).finishReason, 'aborted')
    }
  })

  it('stays ended', async () => {
    const stream = generate(model, prompt, settings)
    const iterator = stream[Symbol.asyncIterator]()
    while (!(await iterator.next()).done);
    assert.deepEqual(await iterator.next(), { done: true, value: undefined })
    assert.deepEqual(await iterator.return!(), { done: true, value: undefined })
    assert.equal((await stream.result).finishReason, 'length')
  })

  it('takes requests for several events at once', async () => {
    const iterator = generate(model, prompt, settings)[Symbol.asyncIterator]()
    const steps = await Promise.all(Array.from({ length: 60 }, () => iterator.next()))
    const ids = steps.flatMap(({ value }) => (value?.type === 'token' ? [value.id] : []))
    assert.deepEqual(ids, expected.tokens)
  })

  it('can be left while an event is on its way', async () => {
    const stream = generate(model, prompt, settings)
    const iterator = stream[Symbol.asyncIterator]()
    const first = iterator.next()
    await iterator.return!()
    assert.equal((await first).value?.type, 'done')
    assert.equal((await stream.result).finishReason, 'aborted')
  })

  it('frees what it holds when its reader is forgotten in the middle, and settles its result', async () => {
    setFlagsFromString('--expose-gc')
    const collectGarbage: () => void = runInNewContext('gc')
    const results: GenerationResult[] = []
    const forget = async (): Promise<void> => {
      const stream = generate(model, prompt, settings)
      const iterator = stream[Symbol.asyncIterator]()
      void stream.result.then((result) => results.push(result))
      for (let i = 0; i < 5; i++) await iterator.next()
    }
    await forget()
    assert.equal(model.backend.memory().caches, 1)
    for (let i = 0; i < 100 && results.length === 0; i++) {
      collectGarbage()
      await turns(1)
    }
    assert.deepEqual(
      results.map(({ finishReason }) => finishReason),
      ['aborted'],
    )
  })

  it('throws what a kernel throws, wherever, to the reader and from the result', async () => {
    await generate(model, prompt, settings).result
    const total = calls
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: total }), fc.boolean(), async (at, drained) => {
        calls = 0
        failAt = at
        const stream = generate(model, prompt, settings)
        if (!drained) await assert.rejects(collect(stream), (error) => error === failure)
        await assert.rejects(stream.result, (error) => error === failure)
        assert.deepEqual(model.backend.memory(), level)
      }),
      {
        numRuns: 40,
        examples: [
          [1, false],
          [total, true],
        ],
      },
    )
  })

  it('rejects quietly when nobody waits for its result', async () => {
    failAt = 20
    await assert.rejects(collect(generate(model, prompt, settings)), (error) => error === failure)
    calls = 0
    void generate(model, prompt, settings).result
    await turns(20)
    assert.equal(calls, failAt)
  })

  it('keeps what a sequence holds true when a kernel fails', async () => {
    await generate(model, prompt, settings).result
    const total = calls
    for (let at = 5; at < total; at += 211) {
      const sequence = model.createSequence()
      calls = 0
      failAt = at
      await assert.rejects(generate(model, prompt, { ...settings, sequence }).result, (error) => error === failure)
      assert.equal(sequence.length, sequence.tokens.length)
      assert.deepEqual(outcome(await generate(model, prompt, { ...settings, sequence }).result), outcome(expected))
      sequence.dispose()
    }
  })
})

describe('two generations at once', () => {
  let model: Model
  before(async () => {
    model = await loadModel(folderOf('gqa-tied-bf16'))
  })
  after(() => model.dispose())

  it('on one model give what each gives alone, in any order of steps', async () => {
    const prompts = [prompt, [9, 8, 7]] as const
    const lengths = [3, 1]
    const start = (i: number) =>
      generate(model, prompts[i]!, { ...settings, draftLength: lengths[i]! })[Symbol.asyncIterator]()
    const alone = await Promise.all(
      prompts.map(async (ids) => (await generate(model, ids, { ...settings, draft: 'none' }).result).tokens),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 10, maxLength: 80 }), async (order) => {
        const iterators = [start(0), start(1)]
        const tokens: number[][] = [[], []]
        const ended = [false, false]
        const step = async (i: number): Promise<void> => {
          const { value, done } = await iterators[i]!.next()
          if (done) ended[i] = true
          else if (value.type === 'token') tokens[i]!.push(value.id)
        }
        for (const i of order) await step(i)
        for (const i of [0, 1]) while (!ended[i]) await step(i)
        assert.deepEqual(tokens, alone)
      }),
      { numRuns: 10 },
    )
    assert.equal(model.backend.memory().caches, 0)
  })

  it('run together when both results are awaited', async () => {
    const results = await Promise.all([
      generate(model, prompt, settings).result,
      generate(model, prompt, { ...settings, draft: 'none' }).result,
      model.logits(prompt),
    ])
    assert.deepEqual(results[0].tokens, results[1].tokens)
  })

  it('on one sequence are refused with a typed error, until the first has ended', async () => {
    const sequence = model.createSequence()
    const first = generate(model, prompt, { ...settings, sequence })
    const iterator = first[Symbol.asyncIterator]()
    await iterator.next()
    await assert.rejects(generate(model, prompt, { ...settings, sequence }).result, {
      code: 'ERR_ARGUMENT',
      message: /sequence/,
    })
    while (!(await iterator.next()).done);
    const again = await generate(model, prompt, { ...settings, sequence }).result
    assert.deepEqual(again.tokens, (await first.result).tokens)
    const cut = generate(model, prompt, { ...settings, sequence })
    for await (const event of cut) if (event.type === 'token') break
    assert.equal((await generate(model, prompt, { ...settings, sequence }).result).finishReason, 'length')
    sequence.dispose()
  })

  it('may take over a sequence as soon as the result of the first is there', async () => {
    const sequence = model.createSequence()
    const { tokens } = await generate(model, prompt, { ...settings, sequence }).result
    const { stats } = await generate(model, [...prompt, ...tokens], { ...settings, sequence }).result
    assert.equal(stats.reusedTokens, prompt.length + tokens.length - 1)
    sequence.dispose()
  })
})

describe('a generation on a disposed model', () => {
  it('throws a DisposedError, whoever owns the backend', async () => {
    const backend = await openBackend('reference')
    for (const options of [{}, { backend }]) {
      const model = await loadModel(folderOf('llama2-f32'), options)
      const stream = generate(model, prompt, settings)
      await model.dispose()
      await assert.rejects(stream.result, { code: 'ERR_DISPOSED' })
      await assert.rejects(model.logits(prompt), { code: 'ERR_DISPOSED' })
    }
    assert.deepEqual(backend.memory(), { tensors: 0, caches: 0, arenas: 0, bytes: 0 })
    await backend.dispose()
  })

  it('throws a DisposedError when the model goes in the middle', async () => {
    const backend = await openBackend('reference')
    for (const options of [{}, { backend }]) {
      const model = await loadModel(folderOf('llama2-f32'), options)
      const stream = generate(model, prompt, settings)
      const reading = async (): Promise<void> => {
        for await (const event of stream) if (event.type === 'token') await model.dispose()
      }
      await assert.rejects(reading, { code: 'ERR_DISPOSED' })
      await assert.rejects(stream.result, { code: 'ERR_DISPOSED' })
    }
    assert.deepEqual(backend.memory(), { tensors: 0, caches: 0, arenas: 0, bytes: 0 })
    await backend.dispose()
  })

  it('throws a DisposedError for a sequence that is gone', async () => {
    await using model = await loadModel(folderOf('llama2-f32'))
    const sequence = model.createSequence()
    sequence.dispose()
    sequence.dispose()
    const gone = { code: 'ERR_DISPOSED', message: /the sequence was disposed/ }
    await assert.rejects(generate(model, prompt, { ...settings, sequence }).result, gone)
  })
})
