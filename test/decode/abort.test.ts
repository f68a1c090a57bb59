// Ending a generation from outside, and going on later from the cache.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import type { GenerateOptions, GenerationEvent, GenerationResult } from 'drafthorse/decode'
import { type Sequence, truncate } from 'drafthorse/model'
import fc from 'fast-check'
import { folderOf } from '../checkpoints.ts'
import { assertNothingHeld, cachedBytes, collect, skipping, turns, watched } from './generations.ts'

const prompt = Array.from({ length: 40 }, (_, i) => (i * 29) % 320)
const drafts: Record<string, GenerateOptions> = {
  plain: { draft: 'none' },
  'drafts that are all accepted': { draft: 'skip', skip: skipping([]), draftLength: 5 },
  'drafts that are often rejected': { draft: 'skip', skip: { attention: [1, 2], mlp: [1] }, draftLength: 3 },
}
const settings = { maxNewTokens: 16, ignoreEos: true }

describe('aborting a generation', () => {
  let model: Model
  let expected: readonly number[]
  let onCall: (() => void) | undefined
  before(async () => {
    const backend = await watched(() => onCall?.())
    model = await loadModel(folderOf('gqa-tied-bf16'), { backend })
    expected = (await generate(model, prompt, { ...settings, draft: 'none' }).result).tokens
  })
  after(() => model.dispose())
  afterEach(() => {
    onCall = undefined
    assertNothingHeld(model)
  })

  for (const [name, draft] of Object.entries(drafts)) {
    describe(`with ${name}`, () => {
      it('before it starts gives no token', async () => {
        const { tokens, finishReason } = await generate(model, prompt, {
          ...settings,
          ...draft,
          signal: AbortSignal.abort(),
        }).result
        assert.deepEqual({ tokens, finishReason }, { tokens: [], finishReason: 'aborted' })
        const one = await generate(model, [5], { ...settings, ...draft, signal: AbortSignal.abort() }).result
        assert.equal(one.finishReason, 'aborted')
      })

      it('while the prompt runs keeps the passes that were made', async () => {
        const controller = new AbortController()
        const sequence = model.createSequence()
        let calls = 0
        onCall = () => void (++calls === 5 && controller.abort())
        const options = { ...settings, ...draft, sequence }
        const { tokens, finishReason, stats } = await generate(model, prompt, {
          ...options,
          signal: controller.signal,
        }).result
        assert.deepEqual({ tokens, finishReason }, { tokens: [], finishReason: 'aborted' })
        assert.equal(stats.prefillPasses, 1)
        assert.deepEqual(sequence.tokens, prompt.slice(0, 16))
        const resumed = await generate(model, prompt, options).result
        assert.equal(resumed.stats.reusedTokens, 16)
        assert.deepEqual(resumed.tokens, expected)
        sequence.dispose()
      })

      it('by leaving while the prompt runs ends at the next pass', async () => {
        const stream = generate(model, prompt, { ...settings, ...draft })
        const iterator = stream[Symbol.asyncIterator]()
        let stored = 0
        let left: Promise<unknown> | undefined
        onCall = () => {
          stored++
          left ??= iterator.return?.()
        }
        const first = await iterator.next()
        await left
        onCall = undefined
        assert.equal(first.value?.type, 'done')
        const { finishReason, tokens, stats } = await stream.result
        assert.deepEqual({ finishReason, tokens }, { finishReason: 'aborted', tokens: [] })
        assert.equal(stats.prefillPasses, 1)
        assert.ok(stored > 0)
      })

      it('at a token ends the text with that token', async () => {
        for (let last = 0; last < settings.maxNewTokens - 1; last++) {
          const controller = new AbortController()
          const stream = generate(model, prompt, { ...settings, ...draft, signal: controller.signal })
          for await (const event of stream) if (event.type === 'token' && event.index === last) controller.abort()
          const { tokens, text, finishReason } = await stream.result
          assert.deepEqual(tokens, expected.slice(0, last + 1))
          assert.deepEqual({ text, finishReason }, { text: '', finishReason: 'aborted' })
        }
      })

      it('at the last token changes nothing', async () => {
        const controller = new AbortController()
        const stream = generate(model, prompt, { ...settings, ...draft, signal: controller.signal })
        for await (const event of stream) if (event.type === 'token' && event.index === 15) controller.abort()
        assert.equal((await stream.result).finishReason, 'length')
      })

      it('inside a round ends with tokens of plain decoding, and leaves the cache of these', async () => {
        for (const at of [150, 300, 333, 402, 500]) {
          const controller = new AbortController()
          const sequence = model.createSequence()
          let calls = 0
          onCall = () => void (++calls === at && controller.abort())
          const options = { ...settings, ...draft, sequence, signal: controller.signal }
          const { tokens, finishReason } = await generate(model, prompt, options).result
          onCall = undefined
          assert.equal(finishReason, 'aborted')
          assert.deepEqual(tokens, expected.slice(0, tokens.length))
          await assertCacheOf(model, sequence, [...prompt, ...tokens].slice(0, -1))
          sequence.dispose()
        }
      })

      it('again and again, by signal or by leaving the loop, and resuming gives the uninterrupted text', async () => {
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.record({ events: fc.integer({ min: 1, max: 12 }), byBreak: fc.boolean() }), { maxLength: 8 }),
            async (cuts) => {
              const sequence = model.createSequence()
              const tokens: number[] = []
              for (const cut of cuts) {
                if (tokens.length === settings.maxNewTokens) break
                tokens.push(...(await resume(sequence, tokens, { draft, cut })).tokens)
              }
              if (tokens.length < settings.maxNewTokens) {
                tokens.push(...(await resume(sequence, tokens, { draft })).tokens)
              }
              assert.deepEqual(tokens, expected)
              await assertCacheOf(model, sequence, [...prompt, ...tokens].slice(0, -1))
              sequence.dispose()
            },
          ),
          { numRuns: 15 },
        )
      })
    })
  }

  /** Goes on after `tokens`; `cut` leaves after so many events. */
  async function resume(
    sequence: Sequence,
    tokens: readonly number[],
    { draft, cut }: { draft: GenerateOptions | undefined; cut?: { events: number; byBreak: boolean } },
  ): Promise<GenerationResult> {
    const controller = new AbortController()
    const ids = [...prompt, ...tokens]
    const cached = sequence.length
    assert.ok(tokens.length === 0 || cached === ids.length - 1)
    const stream = generate(model, ids, {
      ...settings,
      ...draft,
      maxNewTokens: settings.maxNewTokens - tokens.length,
      sequence,
      signal: controller.signal,
    })
    const seen: GenerationEvent[] = []
    for await (const event of stream) {
      seen.push(event)
      if (seen.length !== cut?.events) continue
      if (cut.byBreak) break
      controller.abort()
    }
    const result = await stream.result
    assert.deepEqual(
      result.tokens,
      seen.flatMap((event) => (event.type === 'token' ? [event.id] : [])),
    )
    assert.equal(result.stats.reusedTokens, cached)
    return result
  }

  it('also ends the computing of logits, with an AbortError that carries the reason', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    let calls = 0
    onCall = () => void (++calls === 3 && controller.abort(reason))
    await assert.rejects(model.logits(prompt, { signal: controller.signal }), { code: 'ERR_ABORTED', cause: reason })
  })

  it('gives an event `done` with the result', async () => {
    const { events, result } = await collect(
      generate(model, prompt, { ...settings, draft: 'none', signal: AbortSignal.abort() }),
    )
    assert.deepEqual(events, [{ type: 'done', result }])
    await turns()
  })
})

/** The sequence holds these tokens, with the bytes that plain passes give them. */
async function assertCacheOf(model: Model, sequence: Sequence, tokens: readonly number[]): Promise<void> {
  assert.deepEqual(sequence.tokens, tokens)
  assert.equal(sequence.length, tokens.length)
  const fresh = model.createSequence()
  const options = { draft: 'none', maxNewTokens: 1, ignoreEos: true, sequence: fresh } as const
  await generate(model, [...tokens, 0], options).result
  truncate(fresh, tokens.length)
  assert.ok(cachedBytes(sequence).equals(cachedBytes(fresh)))
  fresh.dispose()
}
