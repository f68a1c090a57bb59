// Texts that plain decoding made, as replay needs them.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import { ArgumentError } from 'drafthorse/engine'
import { medianContext, record, replay, roundsOf } from 'drafthorse/search'
import { edited, folderOf } from '../checkpoints.ts'
import { assertNothingHeld, skipping } from '../decode/generations.ts'

const prompts = [
  [3, 4, 5, 3, 4, 5, 3, 4],
  [300, 7],
  [168, 102, 252],
]
const maxNewTokens = 24
const turn = async (): Promise<void> => {}
describe('a recording', () => {
  const open = (backend = 'reference'): Promise<Model> => loadModel(folderOf('llama2-f32'), { backend })

  it('ends where the text does, and replay follows generation to that end', async () => {
    const plainly = await open()
    const text = await generate(plainly, prompts[0]!, { maxNewTokens, ignoreEos: true, draft: 'none' }).result
    await plainly.dispose()
    const model = await loadModel(await edited('llama2-f32', { eos_token_id: text.tokens[15]! }), {
      backend: 'reference',
    })
    const recording = await record(model, { prompts: [prompts[0]!], maxNewTokens })
    const [only] = recording.texts
    const ended = text.tokens.indexOf(text.tokens[15]!) + 1
    assert.deepEqual(only!.ids.slice(only!.promptTokens), text.tokens.slice(0, ended))
    assert.equal(medianContext(recording), Math.round(prompts[0]!.length + ended / 2))
    for (const skip of [skipping([3]), skipping([1], 'mlp'), skipping([])]) {
      const accepted = await replay(model, recording, { skip, longest: 5, turn })
      for (const draftLength of [1, 2, 5]) {
        const real: number[][] = []
        await generate(model, prompts[0]!, {
          maxNewTokens,
          draft: 'skip',
          skip,
          draftLength,
          onRound: ({ drafted, tokens }) => real.push([drafted.length, tokens.length]),
        }).result
        const replayed = roundsOf(only!, accepted[0]!, draftLength)
        assert.deepEqual(
          replayed.map(({ drafted, tokens }) => [drafted, tokens]),
          real,
        )
      }
    }
    recording.dispose()
    recording.dispose()
    assertNothingHeld(model)
    await model.dispose()
  })

  it('takes no memory that the system has not', async () => {
    const model = await open()
    const { availableMemory } = process
    try {
      process.availableMemory = () => 2 ** 16
      await assert.rejects(record(model, { prompts, maxNewTokens }), {
        code: 'ERR_OUT_OF_MEMORY',
        message: /65536 left/,
      })
    } finally {
      process.availableMemory = availableMemory
    }
    assertNothingHeld(model)
    await model.dispose()
  })

  it('differs from teacher forcing, which gives the draft another cache', async () => {
    const model = await open('wasm')
    const recording = await record(model, { prompts, maxNewTokens })
    const skip = skipping([1], 'attention')
    const accepted = await replay(model, recording, { skip, longest: 1, turn })
    let differ = 0
    for (const [i, { ids, promptTokens }] of recording.texts.entries()) {
      const { vocabSize } = model.config
      const logits = await model.logits(ids, { skip })
      for (let at = promptTokens - 1; at < ids.length - 2; at++) {
        const row = logits.subarray(at * vocabSize, (at + 1) * vocabSize)
        const forced = row.indexOf(Math.max(...row)) === ids[at + 1] ? 1 : 0
        if (forced !== accepted[i]![at + 1 - promptTokens]) differ++
      }
    }
    recording.dispose()
    await model.dispose()
    assert.ok(differ > 0)
  })

  it('is not begun where nothing could be recorded, and is given up at once', async () => {
    const model = await open()
    const { maxPositionEmbeddings } = model.config
    const full = Array.from({ length: maxPositionEmbeddings }, () => 5)
    await assert.rejects(record(model, { prompts: [], maxNewTokens }), ArgumentError)
    await assert.rejects(record(model, { prompts: [[]], maxNewTokens }), ArgumentError)
    await assert.rejects(record(model, { prompts, maxNewTokens: 0 }), ArgumentError)
    await assert.rejects(record(model, { prompts: [full], maxNewTokens }), ArgumentError)
    const abort = new AbortController()
    const aborted = record(model, {
      prompts,
      maxNewTokens,
      signal: abort.signal,
      onProgress: (done) => done > maxNewTokens && abort.abort(),
    })
    await assert.rejects(aborted, { code: 'ERR_ABORTED' })
    const recording = await record(model, { prompts, maxNewTokens: 3 })
    await assert.rejects(replay(model, recording, { skip: skipping([]), longest: 0, turn }), ArgumentError)
    await assert.rejects(replay(model, recording, { skip: skipping([9]), longest: 2, turn }), ArgumentError)
    recording.dispose()
    assertNothingHeld(model)
    await model.dispose()
  })
})
