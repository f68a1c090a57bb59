// Generations and batches that nobody lets end: left, thrown out of, aborted or forgotten, with every kind of draft. The model
// stays as good as new, and a sequence goes on from where it was left, bit for bit.
import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { generate, loadModel, type Model, type SamplingOptions } from 'drafthorse'
import {
  type BatchStream,
  type GenerateOptions,
  type GenerationResult,
  type GenerationStream,
  generateBatch,
} from 'drafthorse/decode'
import type { Sequence } from 'drafthorse/model'
import { folderOf } from '../checkpoints.ts'
import { everyDraft, logitsAfter } from './drafts.ts'
import { assertNothingHeld, turns } from './generations.ts'

const prompt = [3, 4, 5, 3, 4, 5, 3, 4]
const prompts = [prompt, [168, 102, 252], [7, 7, 7, 7, 7]]
const settings = { maxNewTokens: 12, ignoreEos: true }
const drafts: Readonly<Record<string, GenerateOptions>> = { none: { draft: 'none' }, ...everyDraft }
const ways: readonly (SamplingOptions & { readonly seed?: number })[] = [{}, { temperature: 0.6, topK: 4, seed: 2 }]
const endings = ['break', 'throw', 'signal'] as const

/** Reads until so many events have come, and then ends it. */
async function endAfter(
  stream: GenerationStream | BatchStream,
  { events, by, controller }: { events: number; by: (typeof endings)[number]; controller: AbortController },
): Promise<void> {
  const mine = new Error('the reader failed')
  const reading = async (): Promise<void> => {
    let seen = 0
    for await (const event of stream) {
      if (event.type === 'done' || ++seen !== events) continue
      if (by === 'break') break
      if (by === 'throw') throw mine
      controller.abort()
    }
  }
  if (by === 'throw') await assert.rejects(reading, mine)
  else await reading()
}

/** Waits until the garbage collector has found what was forgotten. */
async function collectGarbage(done: () => boolean): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  for (let i = 0; i < 100 && !done(); i++) {
    collect()
    await turns(1)
  }
}

describe('a generation that does not come to its end', () => {
  let model: Model
  /** For each way: the text, and the logits after the prompt and that many tokens of it. */
  let plain: { tokens: readonly number[]; logits: readonly Float32Array[] }[]
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'), { backend: 'wasm' })
    plain = []
    for (const way of ways) {
      const { tokens } = await generate(model, prompt, { ...settings, ...way, draft: 'none' }).result
      const sequence = model.createSequence()
      const logits: Float32Array[] = []
      for (let length = 0; length <= tokens.length; length++) {
        const ids = [...prompt, ...tokens.slice(0, length)]
        await generate(model, ids, { maxNewTokens: 1, draft: 'none', sequence }).result
        logits.push(await logitsAfter(model, sequence))
      }
      sequence.dispose()
      plain.push({ tokens, logits })
    }
  })
  after(() => model.dispose())
  afterEach(() => {
    assertNothingHeld(model)
  })

  /** The sequence holds the rows of these tokens but the last, and what goes on from it is plain decoding's. */
  async function expectGoingOn(
    sequence: Sequence,
    { tokens, way, draft }: { tokens: readonly number[]; way: number; draft: GenerateOptions },
  ): Promise<void> {
    const expected = plain[way]!
    assert.deepEqual(tokens, expected.tokens.slice(0, tokens.length))
    if (tokens.length === 0) assert.deepEqual(sequence.tokens, prompt.slice(0, sequence.length))
    else {
      assert.deepEqual(sequence.tokens, [...prompt, ...tokens].slice(0, -1))
      assert.deepEqual(await logitsAfter(model, sequence), expected.logits[tokens.length - 1])
    }
    assert.equal(sequence.length, sequence.tokens.length)
    if (tokens.length === settings.maxNewTokens) return
    const rest = await generate(model, [...prompt, ...tokens], {
      ...settings,
      ...ways[way],
      ...draft,
      maxNewTokens: settings.maxNewTokens - tokens.length,
      sequence,
    }).result
    assert.deepEqual([...tokens, ...rest.tokens], expected.tokens)
  }

  for (const [name, draft] of Object.entries(drafts)) {
    it(`goes on from where its reader left it, threw or aborted, at any event: ${name}`, async () => {
      for (const [way, options] of ways.entries()) {
        for (let events = 1; events < settings.maxNewTokens; events++) {
          const by = endings[events % endings.length]!
          const controller = new AbortController()
          const sequence = model.createSequence()
          const { signal } = controller
          const stream = generate(model, prompt, { ...settings, ...options, ...draft, sequence, signal })
          await endAfter(stream, { events, by, controller })
          const { tokens, finishReason } = await stream.result
          assert.equal(finishReason, 'aborted')
          await expectGoingOn(sequence, { tokens, way, draft })
          sequence.dispose()
        }
      }
    })

    it(`goes on from where a signal reached it, anywhere in a round: ${name}`, async () => {
      for (const [way, options] of ways.entries()) {
        let left = 0
        for (let at = 1; at <= 34; at += 3) {
          const controller = new AbortController()
          const sequence = model.createSequence()
          let looked = 0
          /** It is looked at when a part of a round begins or ends. */
          const clock = (): number => {
            if (++looked === at) controller.abort()
            return 0
          }
          const all = { ...settings, ...options, ...draft, sequence, signal: controller.signal, clock }
          const { tokens, finishReason } = await generate(model, prompt, all).result
          if (finishReason === 'aborted') left++
          await expectGoingOn(sequence, { tokens, way, draft })
          sequence.dispose()
        }
        assert.ok(left > 4)
      }
    })

    it(`lets go of its sequence when it is forgotten, which can be gone on from: ${name}`, async () => {
      const sequence = model.createSequence()
      const results: GenerationResult[] = []
      const forget = async (): Promise<void> => {
        const stream = generate(model, prompt, { ...settings, ...draft, sequence })
        void stream.result.then((result) => results.push(result))
        const iterator = stream[Symbol.asyncIterator]()
        for (let i = 0; i < 6; i++) await iterator.next()
      }
      await forget()
      await assert.rejects(generate(model, prompt, { ...settings, sequence }).result, { code: 'ERR_ARGUMENT' })
      await collectGarbage(() => results.length > 0)
      assert.equal(results[0]?.finishReason, 'aborted')
      await expectGoingOn(sequence, { tokens: results[0].tokens, way: 0, draft })
      sequence.dispose()
    })
  }
})

describe('a batch that does not come to its end', () => {
  let model: Model
  let plain: GenerationResult[]
  const batch = { ...settings, ...ways[1], samples: 2, width: 4 }
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'), { backend: 'wasm' })
    plain = [...(await generateBatch(model, prompts, { ...batch, draft: 'none' }).result)]
  })
  after(() => model.dispose())
  afterEach(() => {
    assertNothingHeld(model)
  })

  function expectPrefixes(results: readonly GenerationResult[]): void {
    assert.equal(results.length, plain.length)
    for (const [i, { tokens, finishReason }] of results.entries()) {
      const whole = plain[i]!
      assert.deepEqual(tokens, whole.tokens.slice(0, tokens.length))
      if (finishReason !== 'aborted') assert.deepEqual([tokens, finishReason], [whole.tokens, whole.finishReason])
    }
  }

  for (const [name, draft] of Object.entries(drafts)) {
    it(`has what was told, frees everything, and can be made again: ${name}`, async () => {
      for (const events of [1, 6, 25]) {
        for (const by of endings) {
          const controller = new AbortController()
          const stream = generateBatch(model, prompts, { ...batch, ...draft, signal: controller.signal })
          await endAfter(stream, { events, by, controller })
          const results = await stream.result
          expectPrefixes(results)
          assert.ok(results.some(({ finishReason }) => finishReason === 'aborted'))
          assert.equal(model.backend.memory().caches, 0)
        }
      }
      const again = await generateBatch(model, prompts, { ...batch, ...draft }).result
      assert.deepEqual(
        again.map(({ tokens }) => tokens),
        plain.map(({ tokens }) => tokens),
      )
    })
  }

  it('is freed when it is forgotten', async () => {
    const settled: (readonly GenerationResult[])[] = []
    const forget = async (): Promise<void> => {
      const stream = generateBatch(model, prompts, { ...batch, ...everyDraft['cascade'] })
      void stream.result.then((results) => settled.push(results))
      const iterator = stream[Symbol.asyncIterator]()
      for (let i = 0; i < 9; i++) await iterator.next()
    }
    await forget()
    assert.ok(model.backend.memory().caches > 0)
    await collectGarbage(() => settled.length > 0)
    expectPrefixes(settled[0]!)
    assert.ok(settled[0]!.some(({ tokens }) => tokens.length > 0))
  })
})
