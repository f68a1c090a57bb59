// The model as a list of sublayers: spans, rows of several sequences, and what it refuses.
import assert from 'node:assert/strict'
import { loadModel, type Model } from 'drafthorse'
import type { Arena, Tensor } from 'drafthorse/engine'
import { advance, type Rows, type Sequence } from 'drafthorse/model'
import { edited, folderOf } from '../checkpoints.ts'

const ids = Int32Array.of(5, 99, 3, 250)

describe('the model', () => {
  let model: Model
  let sequence: Sequence
  let arena: Arena
  before(async () => {
    model = await loadModel(folderOf('wide-head-bias-f32'))
  })
  after(() => model.dispose())
  beforeEach(() => {
    sequence = model.createSequence()
    arena = model.backend.arena()
  })
  afterEach(() => {
    arena.release()
    sequence.dispose()
  })

  const rowsOf = (count: number): Rows => model.rows([{ sequence, count }], arena)
  async function read(tensor: Tensor): Promise<Float32Array> {
    const [values] = await model.backend.read([tensor])
    return values as Float32Array // f32 tensors only
  }

  it('has two sublayers a layer', () => {
    assert.equal(model.sublayers, 2 * model.config.numHiddenLayers)
  })

  it('runs in spans as in one go, cut anywhere', async () => {
    const rows = rowsOf(ids.length)
    const x = model.embed(ids, rows)
    const whole = await read(model.run(x, rows))
    for (let cut = 0; cut <= model.sublayers; cut++) {
      const prefix = model.run(x, rows, { to: cut })
      assert.deepEqual(await read(model.run(prefix, rows, { from: cut })), whole)
    }
  })

  it('leaves its input as it was', async () => {
    const rows = rowsOf(ids.length)
    const x = model.embed(ids, rows)
    const given = await read(x)
    model.run(x, rows)
    model.head(x, rows)
    assert.deepEqual(await read(x), given)
  })

  it('gives the input back where nothing is to run', async () => {
    const rows = rowsOf(ids.length)
    const x = model.embed(ids, rows)
    const all = Array.from({ length: model.config.numHiddenLayers }, (_, i) => i)
    assert.equal(model.run(x, rows, { from: 3, to: 3 }), x)
    assert.equal(model.run(x, rows, { skip: { attention: all, mlp: all } }), x)
  })

  it('skips in a span the sublayers that are skipped in the whole', async () => {
    const skip = { attention: [1], mlp: [0, 2] }
    const rows = rowsOf(ids.length)
    const x = model.embed(ids, rows)
    const whole = await read(model.run(x, rows, { skip }))
    const logits = await read(model.head(model.run(x, rows, { skip }), rows))
    const half = model.run(x, rows, { to: 3, skip })
    assert.deepEqual(await read(model.run(half, rows, { from: 3, skip })), whole)
    assert.deepEqual(logits, await model.logits([...ids], { skip }))
  })

  it('gives the rows of several sequences what each has alone', async () => {
    const other = model.createSequence()
    const warm = model.rows([{ sequence: other, count: 2 }], arena)
    model.run(model.embed(Int32Array.of(7, 8), warm), warm)
    advance(other, 2)
    const list = [
      { sequence: other, count: 1 },
      { sequence, count: 4 },
    ]
    const rows = model.rows(list, arena)
    const logits = await read(model.head(model.run(model.embed(Int32Array.of(9, ...ids), rows), rows), rows))
    const { vocabSize } = model.config
    assert.deepEqual(logits.subarray(0, vocabSize), (await model.logits([7, 8, 9])).subarray(2 * vocabSize))
    assert.deepEqual(logits.subarray(vocabSize), await model.logits([...ids]))
    other.dispose()
  })

  it('embeds ids that select has left on the device', async () => {
    const rows = rowsOf(ids.length)
    const logits = model.head(model.run(model.embed(ids, rows), rows), rows)
    const chosen = model.select(logits, rows).ids
    const [host] = await model.backend.read([chosen])
    assert.deepEqual(await read(model.embed(chosen, rows)), await read(model.embed(host as Int32Array, rows)))
  })

  it('refuses spans that it does not have', () => {
    const rows = rowsOf(1)
    const x = model.embed(Int32Array.of(1), rows)
    for (const span of [{ from: -1 }, { to: 7 }, { from: 3, to: 2 }, { from: 0.5 }, { to: Number.NaN }]) {
      assert.throws(() => model.run(x, rows, span), { code: 'ERR_SHAPE', message: /of 6/ })
    }
    assert.throws(() => model.run(x, rows, { skip: { attention: [3], mlp: [] } }), {
      code: 'ERR_ARGUMENT',
      message: /attention layer 3/,
    })
  })

  it('refuses rows that do not start at their sequence length', () => {
    const rows = rowsOf(1)
    const x = model.embed(Int32Array.of(1), rows)
    advance(sequence, 1)
    assert.throws(() => model.run(x, rows), { code: 'ERR_SHAPE', message: /start at 0.*has 1 rows/ })
  })

  it('refuses rows past the context', async () => {
    await using small = await loadModel(await edited('llama2-f32', { max_position_embeddings: 4 }))
    const short = small.createSequence()
    const made = small.backend.arena()
    assert.throws(() => small.rows([{ sequence: short, count: 5 }], made), {
      code: 'ERR_ARGUMENT',
      message: /5 tokens do not fit the context of 4/,
    })
    assert.equal(small.rows([{ sequence: short, count: 4 }], made).count, 4)
    made.release()
  })

  it('refuses a sequence twice in a pass, and rows of none', () => {
    const twice = model.rows(
      [
        { sequence, count: 1 },
        { sequence, count: 1 },
      ],
      arena,
    )
    const x = model.embed(Int32Array.of(1, 2), twice)
    assert.throws(() => model.run(x, twice), { code: 'ERR_SHAPE', message: /one sequence/ })
    const none = rowsOf(0)
    assert.throws(() => model.run(model.embed(new Int32Array(0), none), none), { code: 'ERR_SHAPE', message: /count/ })
  })
})

describe('model.logits', () => {
  let model: Model
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'))
  })
  after(() => model.dispose())

  it('gives each token of a long text what it gives the beginnings of that text', async () => {
    const text = Array.from({ length: 35 }, (_, i) => (i * 53) % 320)
    const { vocabSize } = model.config
    const whole = await model.logits(text)
    assert.equal(whole.length, text.length * vocabSize)
    for (const length of [1, 15, 16, 17, 34]) {
      assert.deepEqual(await model.logits(text.slice(0, length)), whole.subarray(0, length * vocabSize))
    }
  })

  it('refuses what it cannot use, naming it, and leaves nothing behind', async () => {
    const memory = model.backend.memory()
    const wrong: [readonly number[], RegExp][] = [
      [[], /empty/],
      [[320], /token 0 .*320.*0 to 319/],
      [[5, -1], /token 1 .*-1/],
      [[0.5], /0\.5/],
      [new Array<number>(257).fill(1), /257 tokens.*256/],
    ]
    for (const [text, message] of wrong) await assert.rejects(model.logits(text), { code: 'ERR_ARGUMENT', message })
    const skip = { attention: [], mlp: [4] }
    await assert.rejects(model.logits([1], { skip }), { code: 'ERR_ARGUMENT', message: /mlp layer 4/ })
    await assert.rejects(model.logits([1], { signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' })
    assert.deepEqual(model.backend.memory(), memory)
  })

  it('fills the context to its last token', async () => {
    await using small = await loadModel(await edited('llama2-f32', { max_position_embeddings: 20 }))
    const text = Array.from({ length: 20 }, (_, i) => i)
    assert.deepEqual(await small.logits(text), await model.logits(text))
  })
})
