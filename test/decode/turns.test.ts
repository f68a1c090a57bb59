// Decoding shares its thread: timers fire while it runs, and by them it can be aborted.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import { edited } from '../checkpoints.ts'
import { skipping } from './generations.ts'

describe('while the model works', () => {
  const prompt = [168, 102, 252, 316, 115, 7]
  let model: Model
  before(async () => {
    const files = await edited('gqa-tied-bf16', { max_position_embeddings: 2 ** 20 })
    model = await loadModel(files, { backend: 'reference' })
  })
  after(() => model.dispose())

  /** Counts the ticks of a timer, and calls `atThird` with the third. */
  function ticking(atThird?: () => void): { count: number; stop(): void } {
    const ticks = { count: 0, stop: () => clearInterval(timer) }
    const timer = setInterval(() => ++ticks.count === 3 && atThird?.(), 10)
    return ticks
  }

  for (const draft of ['none', 'skip'] as const) {
    it(`timers fire, and one of them may abort it, with draft "${draft}"`, async () => {
      const controller = new AbortController()
      const ticks = ticking(() => controller.abort())
      const { finishReason, tokens } = await generate(model, prompt, {
        draft,
        skip: skipping([1]),
        draftLength: 3,
        maxNewTokens: Number.POSITIVE_INFINITY,
        ignoreEos: true,
        signal: controller.signal,
      }).result
      ticks.stop()
      assert.equal(finishReason, 'aborted')
      assert.ok(tokens.length > 0)
      assert.ok(ticks.count >= 3)
    })
  }

  it('timers fire while a long prompt runs', async () => {
    const controller = new AbortController()
    const ticks = ticking(() => controller.abort())
    const endless = new Array<number>(100_000).fill(5)
    const { finishReason, stats } = await generate(model, endless, { signal: controller.signal }).result
    ticks.stop()
    assert.deepEqual([finishReason, stats.newTokens], ['aborted', 0])
    assert.ok(ticks.count >= 3)
  })

  it('timers fire between short pieces of work that follow one another', async () => {
    const ticks = ticking()
    let pieces = 0
    for (; pieces < 3000 && ticks.count === 0; pieces++) await model.logits([5])
    ticks.stop()
    assert.ok(ticks.count > 0, `no timer fired in ${pieces} pieces`)
  })
})
