// A draft that ends where it doubts itself: what it asks, when it stops, and that it changes no token.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import { type DraftLength, type GenerateOptions, threshold } from 'drafthorse/decode'
import { type BackendModule, openBackend } from 'drafthorse/engine'
import { reference } from 'drafthorse/engine/reference'
import { folderOf } from '../checkpoints.ts'
import { collect, outcome } from './generations.ts'

const prompt = [168, 102, 252, 316, 115, 7]
const skip = { attention: [1, 2], mlp: [1] }
const settings = { maxNewTokens: 24, ignoreEos: true, draft: 'skip', skip } as const

describe('a draft length by confidence', () => {
  let model: Model
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'), { backend: 'reference' })
  })
  after(() => model.dispose())

  const run = (options: GenerateOptions) => collect(generate(model, prompt, { ...settings, ...options }))

  /** Keeps what it was told. */
  function listening(confidence: number, told: number[][], most = 5): DraftLength {
    return {
      name: 'listening',
      start: () => ({
        next() {
          const found: number[] = []
          told.push(found)
          return {
            most,
            goesOn(confident) {
              found.push(confident)
              return confident >= confidence
            },
          }
        },
      }),
    }
  }

  it('equals plain decoding at every threshold', async () => {
    const plain = await run({ draft: 'none' })
    for (const confidence of [0, 0.003, 0.004, 0.006, 0.01, 0.5, 1]) {
      const { result } = await run({ draftLength: threshold({ confidence, most: 6 }) })
      assert.deepEqual(outcome(result), outcome(plain.result), `threshold ${confidence}`)
    }
    assert.deepEqual(outcome((await run({ draftLength: 'threshold' })).result), outcome(plain.result))
  })

  it('drafts as many as allowed at threshold 0, and one at threshold 1', async () => {
    const all = await run({ draftLength: threshold({ confidence: 0, most: 3 }) })
    const fixed = await run({ draftLength: 3 })
    assert.deepEqual(
      all.events.filter(({ type }) => type === 'draft'),
      fixed.events.filter(({ type }) => type === 'draft'),
    )
    const { result } = await run({ draftLength: threshold({ confidence: 1 }) })
    assert.equal(result.stats.draftedTokens, result.stats.draftPasses)
    assert.ok(result.stats.draftedTokens <= result.stats.rounds)
  })

  it('is told the probability that the draft gave each token', async () => {
    // Without the last sublayer a draft caches what the full model does, so these logits are the draft's own.
    const last = { attention: [], mlp: [model.config.numHiddenLayers - 1] }
    const told: number[][] = []
    const { events } = await run({ skip: last, draftLength: listening(0, told, 1) })
    const drafts = events.flatMap((event) => (event.type === 'draft' ? [event.tokens[0]!] : []))
    const tokens = [...prompt, ...events.flatMap((event) => (event.type === 'token' ? [event.id] : []))]
    const logits = await model.logits(tokens, { skip: last })
    const { vocabSize } = model.config
    let at = prompt.length
    for (const [round, draft] of drafts.entries()) {
      const row = logits.subarray((at - 1) * vocabSize, at * vocabSize)
      const probability = Math.exp(row[draft]!) / row.reduce((sum, logit) => sum + Math.exp(logit), 0)
      assert.equal(row[draft], Math.max(...row))
      assert.ok(Math.abs(told[round]![0]! / probability - 1) < 1e-5, `round ${round}`)
      at += draft === tokens[at] ? 2 : 1
    }
    assert.ok(drafts.length > 5)
  })

  it('ends a round after the first token of little confidence, which is verified as well', async () => {
    const told: number[][] = []
    const all: number[][] = []
    await run({ draftLength: listening(0, all) })
    const between = all.flat().toSorted((a, b) => a - b)[Math.floor(all.flat().length / 2)]!
    const { events } = await run({ draftLength: listening(between, told) })
    const drafts = events.flatMap((event) => (event.type === 'draft' ? [event.tokens.length] : []))
    const asked = told.filter((round) => round.length > 0)
    assert.deepEqual(
      asked.map((round) => round.length),
      drafts,
    )
    for (const round of asked) assert.ok(round.slice(0, -1).every((found) => found >= between))
    assert.ok(new Set(drafts).size > 1, `all rounds drafted ${drafts[0]}`)
  })

  it('reads four tokens at once where reads cost, and drafts and hears the same', async () => {
    const opened = await reference.open({})
    let reads = 0
    const { freeReads: _, ...capabilities } = opened.capabilities
    const dear: BackendModule = {
      name: 'dear reads',
      open: async () => ({
        ...opened,
        capabilities,
        read(tensors) {
          reads++
          return opened.read(tensors as never) // tensors of this backend
        },
      }),
    }
    const backend = await openBackend(dear)
    const other = await loadModel(folderOf('llama2-f32'), { backend })
    const all: number[][] = []
    await run({ draftLength: listening(0, all, 9) })
    const between = all.flat().toSorted((a, b) => a - b)[Math.floor(all.flat().length / 2)]!
    for (const most of [3, 4, 9]) {
      for (const sought of [0, between, 1]) {
        const [here, there]: number[][][] = [[], []]
        const expected = await run({ draftLength: listening(sought, here!, most) })
        reads = 0
        const options = { ...settings, draftLength: listening(sought, there!, most) }
        const found = await collect(generate(other, prompt, options))
        assert.deepEqual(found.events.slice(0, -1), expected.events.slice(0, -1)) // but for the statistics
        assert.deepEqual(there, here)
        const chunks = there!.map(({ length }) => (length === 0 ? 0 : Math.ceil(length / 4)))
        const verified = found.result.stats.rounds
        assert.equal(reads, verified + chunks.reduce((sum, count) => sum + count, 0) + found.result.stats.prefillPasses)
      }
    }
    await other.dispose()
    await backend.dispose()
  })

  it('refuses what is no probability, and half a token', () => {
    for (const confidence of [-0.1, 1.1, Number.NaN]) {
      assert.throws(() => threshold({ confidence }), { code: 'ERR_ARGUMENT', message: /probability, 0 to 1/ })
    }
    for (const most of [-1, 1.5, Number.POSITIVE_INFINITY]) {
      assert.throws(() => threshold({ most }), { code: 'ERR_ARGUMENT', message: /most tokens to draft are/ })
    }
    assert.throws(() => threshold(null as never), { code: 'ERR_ARGUMENT' })
  })
})
