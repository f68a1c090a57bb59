// Sequences that continue one that they share: the bits of sequences of their own, no row of which another can change, and
// memory that lasts as long as it is read.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import { type Backend, openBackend } from 'drafthorse/engine'
import { advance, commit, createSequence, reusePrefix, type Sequence, truncate } from 'drafthorse/model'
import { folderOf } from '../checkpoints.ts'
import { expectTfjs, openTfjs } from '../engine/tfjs/peers.ts'

/** Past a chunk of the wasm backend's cache, which has 64 positions. */
const text = Array.from({ length: 90 }, (_, i) => (i * 53 + 7) % 320)

/** Runs the next tokens of some sequences in one pass; the logits of each `[ids, vocabSize]`. */
async function pass(
  model: Model,
  list: readonly { readonly sequence: Sequence; readonly ids: readonly number[] }[],
): Promise<Float32Array[]> {
  const arena = model.backend.arena()
  const rows = model.rows(
    list.map(({ sequence, ids }) => ({ sequence, count: ids.length })),
    arena,
  )
  const ids = Int32Array.from(list.flatMap((each) => each.ids))
  const [values] = await model.backend.read([model.head(model.run(model.embed(ids, rows), rows), rows)])
  arena.release()
  for (const { sequence, ids } of list) commit(sequence, ids)
  const logits = [...(values as Float32Array)] // f32
  return list.map((each) => Float32Array.from(logits.splice(0, each.ids.length * model.config.vocabSize)))
}

const backends: Record<string, (context: Mocha.Context) => Promise<Backend>> = {
  reference: () => openBackend('reference'),
  wasm: () => openBackend('wasm', { threads: 2 }),
  async 'tfjs:tensorflow'(context) {
    await expectTfjs(context, 'tfjs:tensorflow')
    return openTfjs('tfjs:tensorflow')
  },
}

for (const [name, open] of Object.entries(backends)) {
  describe(`sequences that share a parent on ${name}`, () => {
    let backend: Backend
    let model: Model
    let vocabSize: number
    /** Of every row of the text, each in a sequence of its own. */
    let straight: Float32Array
    before(async function () {
      backend = await open(this)
      model = await loadModel(folderOf('llama2-f32'), { backend })
      vocabSize = model.config.vocabSize
      straight = await model.logits(text)
    })
    after(async () => {
      await model?.dispose()
      await backend?.dispose()
    })

    const rowsOf = (from: number, to: number): Float32Array => straight.subarray(from * vocabSize, to * vocabSize)
    async function prefilled(length: number): Promise<Sequence> {
      const sequence = model.createSequence()
      await pass(model, [{ sequence, ids: text.slice(0, length) }])
      return sequence
    }

    it('begin with its rows and tokens, and go on with the bits of a sequence of their own', async () => {
      const parent = await prefilled(70)
      for (const length of [undefined, 70, 69, 65, 64, 63, 1, 0]) {
        const child = model.createSequence({ parent, length })
        const start = length ?? 70
        assert.deepEqual([child.length, child.tokens], [start, text.slice(0, start)])
        const [first] = await pass(model, [{ sequence: child, ids: text.slice(start, 71) }])
        const [second] = await pass(model, [{ sequence: child, ids: text.slice(71, 75) }])
        assert.deepEqual(first, rowsOf(start, 71))
        assert.deepEqual(second, rowsOf(71, 75))
        child.dispose()
      }
      parent.dispose()
    })

    it('do so in one pass with their brothers, their parent and children of their own', async () => {
      const parent = await prefilled(66)
      const [one, two] = [model.createSequence({ parent }), model.createSequence({ parent, length: 64 })]
      await pass(model, [
        { sequence: one, ids: text.slice(66, 68) },
        { sequence: two, ids: [9, 8, 7] },
      ])
      const [deep, shallow] = [model.createSequence({ parent: one }), model.createSequence({ parent: one, length: 10 })]
      const list = [
        { sequence: parent, from: 66, to: 67 },
        { sequence: one, from: 68, to: 72 },
        { sequence: deep, from: 68, to: 71 },
        { sequence: shallow, from: 10, to: 15 },
      ]
      const together = await pass(model, [
        ...list.map(({ sequence, from, to }) => ({ sequence, ids: text.slice(from, to) })),
        { sequence: two, ids: [6] },
      ])
      for (const [i, { from, to }] of list.entries()) assert.deepEqual(together[i], rowsOf(from, to))
      const other = await model.logits([...text.slice(0, 64), 9, 8, 7, 6])
      assert.deepEqual(together.at(-1), other.subarray(67 * vocabSize))
      for (const sequence of [parent, one, two, deep, shallow]) sequence.dispose()
    })

    it('keep what they read while parent, brothers and drafts write over rows of their own', async () => {
      const parent = await prefilled(67)
      const child = model.createSequence({ parent, length: 65 })
      const brother = model.createSequence({ parent, length: 65 })
      await pass(model, [{ sequence: brother, ids: [1, 2, 3] }])
      truncate(parent, 65)
      await pass(model, [{ sequence: parent, ids: [4, 5, 6, 7] }])
      await pass(model, [{ sequence: child, ids: [1, 1] }])
      truncate(child, 65)
      const [values] = await pass(model, [{ sequence: child, ids: text.slice(65, 70) }])
      assert.deepEqual(values, rowsOf(65, 70))
      for (const sequence of [parent, child, brother]) sequence.dispose()
    })

    it('are disposed in any order: what is read stays, and nothing is left in the end', async () => {
      const memory = backend.memory()
      for (const order of [
        [0, 1, 2],
        [2, 1, 0],
        [1, 0, 2],
        [0, 2, 1],
      ]) {
        const parent = await prefilled(66)
        const child = model.createSequence({ parent })
        await pass(model, [{ sequence: child, ids: text.slice(66, 68) }])
        const grandchild = model.createSequence({ parent: child })
        const all = [parent, child, grandchild]
        for (const [i, which] of order.entries()) {
          all[which]!.dispose()
          all[which]!.dispose()
          if (!order.slice(0, i + 1).includes(2)) {
            const [values] = await pass(model, [{ sequence: grandchild, ids: text.slice(68 + i, 69 + i) }])
            assert.deepEqual(values, rowsOf(68 + i, 69 + i))
          }
        }
        assert.deepEqual(backend.memory(), memory)
      }
    })

    it('take no memory for what they share', async () => {
      const parent = await prefilled(64)
      const { bytes } = backend.memory()
      const child = model.createSequence({ parent })
      assert.equal(backend.memory().bytes, bytes)
      child.dispose()
      parent.dispose()
    })
  })
}

describe('a sequence that shares rows', () => {
  let model: Model
  let parent: Sequence
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'), { backend: 'reference' })
  })
  after(() => model.dispose())
  beforeEach(async () => {
    parent = model.createSequence()
    await pass(model, [{ sequence: parent, ids: text.slice(0, 8) }])
  })
  afterEach(() => parent.dispose())

  const refuses = (sequence: Sequence, length: number, fixed: number): void =>
    assert.throws(() => truncate(sequence, length), {
      code: 'ERR_SHAPE',
      message: new RegExp(`to ${length} rows while it shares ${fixed} `),
    })

  it('cannot be truncated to fewer than its parent gave it', () => {
    const child = model.createSequence({ parent, length: 5 })
    commit(child, [1, 2])
    refuses(child, 4, 5)
    assert.deepEqual([child.length, child.tokens.length], [7, 7])
    truncate(child, 5)
    assert.deepEqual(child.tokens, text.slice(0, 5))
    child.dispose()
  })

  it('cannot be truncated to fewer than a child reads, until that is disposed', () => {
    const [short, long] = [model.createSequence({ parent, length: 3 }), model.createSequence({ parent, length: 6 })]
    truncate(parent, 6)
    refuses(parent, 5, 6)
    assert.equal(parent.length, 6)
    long.dispose()
    truncate(parent, 3)
    refuses(parent, 2, 3)
    short.dispose()
    truncate(parent, 0)
  })

  it('keeps what a prompt begins with, but refuses one that begins otherwise than what it shares', () => {
    const child = model.createSequence({ parent, length: 5 })
    commit(child, [1, 2])
    assert.equal(reusePrefix(child, [...text.slice(0, 5), 1, 9, 9]), 6)
    assert.equal(reusePrefix(child, [...text.slice(0, 5), 3]), 5)
    for (const ids of [text.slice(0, 5), [...text.slice(0, 4), 300, 1, 2]]) {
      assert.throws(() => reusePrefix(child, ids), { code: 'ERR_SHAPE', message: /to 4 rows while it shares 5/ })
    }
    assert.deepEqual(child.tokens, text.slice(0, 5))
    child.dispose()
  })

  it('is the beginning of any number of generations, each as it would be by itself', async () => {
    const prompt = text.slice(0, 9)
    const skip = { attention: [1], mlp: [2] }
    const settings = { maxNewTokens: 6, ignoreEos: true, draft: 'skip', skip, draftLength: 3 } as const
    const alone = await generate(model, prompt, settings).result
    for (let i = 0; i < 2; i++) {
      const sequence = model.createSequence({ parent })
      const { tokens, stats } = await generate(model, prompt, { ...settings, sequence }).result
      assert.deepEqual([tokens, stats.reusedTokens], [alone.tokens, 8])
      sequence.dispose()
    }
    assert.deepEqual(parent.tokens, text.slice(0, 8))
  })

  it('has no more rows than its parent has tokens, and a parent that is there, of the same model', async () => {
    for (const length of [9, -1, 1.5, Number.NaN]) {
      assert.throws(() => model.createSequence({ parent, length }), {
        code: 'ERR_SHAPE',
        message: new RegExp(`begin with ${length} rows of one that has 8, 8 of them with tokens`),
      })
    }
    advance(parent, 2)
    assert.throws(() => model.createSequence({ parent, length: 9 }), { code: 'ERR_SHAPE', message: /has 10, 8 of/ })
    truncate(parent, 8)
    await using other = await loadModel(folderOf('llama2-f32'), { backend: model.backend })
    assert.throws(() => other.createSequence({ parent }), { code: 'ERR_ARGUMENT', message: /not one of llama2-f32's/ })
    assert.throws(() => createSequence(model.backend, model.config, { parent: { ...parent } }), {
      code: 'ERR_ARGUMENT',
    })
    const child = model.createSequence({ parent })
    parent.dispose()
    assert.throws(() => model.createSequence({ parent }), { code: 'ERR_DISPOSED', message: /parent/ })
    model.createSequence({ parent: child }).dispose()
    child.dispose()
  })

  it('is disposed with the model, whoever is whose child', async () => {
    const { backend } = model
    const { caches } = backend.memory()
    const own = await loadModel(folderOf('llama2-f32'), { backend })
    const first = own.createSequence()
    own.createSequence({ parent: own.createSequence({ parent: first }) })
    await own.dispose()
    assert.equal(backend.memory().caches, caches)
  })
})
