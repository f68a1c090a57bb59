// Draft heads: rows of the head's matrix, whose logits are the full head's, made once and freed with the model.
import assert from 'node:assert/strict'
import { loadModel, type Model } from 'drafthorse'
import { type Backend, openBackend } from 'drafthorse/engine'
import type { DraftHead } from 'drafthorse/model'
import { folderOf } from '../checkpoints.ts'
import { expectTfjs, openTfjs } from '../engine/tfjs/peers.ts'

const text = [7, 60, 113, 166, 219]

/** Logits of the text's rows by the full head `[rows, vocabSize]`, and by each of some draft heads `[rows, n]`. */
async function logitsOf(
  model: Model,
  heads: readonly DraftHead[],
): Promise<{ full: Float32Array; parts: Float32Array[] }> {
  const sequence = model.createSequence()
  const arena = model.backend.arena()
  const rows = model.rows([{ sequence, count: text.length }], arena)
  const hidden = model.run(model.embed(Int32Array.from(text), rows), rows)
  const logits = [model.head(hidden, rows), ...heads.map((head) => model.head(hidden, rows, head))]
  const [full, ...parts] = (await model.backend.read(logits)) as Float32Array[] // logits are f32
  arena.release()
  sequence.dispose()
  return { full: full!, parts }
}

/** What the full head says of the ids of a draft head. */
function at({ ids }: DraftHead, full: Float32Array): Float32Array {
  const vocabSize = full.length / text.length
  return Float32Array.from(text.flatMap((_, row) => Array.from(ids, (id) => full[row * vocabSize + id]!)))
}

const subsets = (vocabSize: number): readonly (readonly number[])[] => [
  [0],
  [vocabSize - 1],
  [3, 4, 9, 100, 255, 256, vocabSize - 3],
  Array.from({ length: 33 }, (_, i) => i),
  Array.from({ length: vocabSize - 1 }, (_, i) => i + 1),
  Array.from({ length: vocabSize }, (_, i) => i),
]

const backends = {
  reference: { options: {}, dtypes: ['f32', 'q8_0'] },
  'wasm on 1 thread': { options: { threads: 1 }, dtypes: ['f32', 'q8_0'] },
  'wasm on 3 threads': { options: { threads: 3 }, dtypes: ['f32', 'bf16', 'q8_0', 'q4_0', 'q4_1'] },
} as const

for (const [name, { options, dtypes }] of Object.entries(backends)) {
  describe(`a draft head on ${name}`, () => {
    let backend: Backend
    before(async () => {
      backend = await openBackend(name.split(' ')[0]!, options)
    })
    after(() => backend.dispose())

    for (const dtype of dtypes) {
      it(`gives the logits of the full head at its ids, bit for bit, in ${dtype}`, async () => {
        await using model = await loadModel('stories', { backend, dtype })
        const lists = subsets(model.config.vocabSize)
        const heads: DraftHead[] = []
        for (const ids of lists) heads.push(await model.draftHead(ids))
        assert.ok(heads.every(({ weight }) => weight.dtype === dtype))
        assert.deepEqual(
          heads.map(({ ids }) => [...ids]),
          lists,
        )
        const { full, parts } = await logitsOf(model, heads)
        for (const [i, part] of parts.entries()) assert.deepEqual(part, at(heads[i]!, full), `${lists[i]!.length} ids`)
      })
    }

    it('does so for a head that is not the embedding, and widths that no block divides', async () => {
      await using model = await loadModel(folderOf('llama2-f32'), { backend })
      assert.equal(model.config.tieWordEmbeddings, false)
      const head = await model.draftHead([1, 5, 319])
      const { full, parts } = await logitsOf(model, [head])
      assert.deepEqual(parts[0], at(head, full))
    })
  })
}

describe('a draft head on tfjs:tensorflow', () => {
  it('gives the logits of the full head at its ids', async function () {
    await expectTfjs(this, 'tfjs:tensorflow')
    const backend = await openTfjs('tfjs:tensorflow')
    const model = await loadModel('stories', { backend })
    const before = backend.capabilities.rowInvariant
    const heads: DraftHead[] = []
    for (const ids of subsets(model.config.vocabSize)) heads.push(await model.draftHead(ids))
    const { full, parts } = await logitsOf(model, heads)
    for (const [i, part] of parts.entries()) {
      const expected = at(heads[i]!, full)
      assert.ok(part.every((value, at) => Math.abs(value - expected[at]!) < 1e-4))
    }
    assert.equal(backend.capabilities.rowInvariant, before)
    await model.dispose()
    assert.equal(backend.memory().tensors, 0)
    await backend.dispose()
  })
})

describe('draft heads', () => {
  let backend: Backend
  let model: Model
  before(async () => {
    backend = await openBackend('reference')
  })
  after(() => backend.dispose())
  beforeEach(async () => {
    model = await loadModel(folderOf('llama2-f32'), { backend })
  })
  afterEach(() => model.dispose())

  it('select places in their ids, which are the ids themselves where these are the lowest', async () => {
    const [some, lowest] = [await model.draftHead([8, 300]), await model.draftHead([0, 1, 2])]
    assert.deepEqual([some.identity, lowest.identity], [false, true])
    const sequence = model.createSequence()
    const arena = backend.arena()
    const rows = model.rows([{ sequence, count: text.length }], arena)
    const hidden = model.run(model.embed(Int32Array.from(text), rows), rows)
    for (const head of [some, lowest]) {
      const logits = model.head(hidden, rows, head)
      const [values, chosen] = await backend.read([logits, model.select(logits, rows).ids])
      const size = head.ids.length
      const best = text.map((_, row) => {
        const own = [...values!.subarray(row * size, (row + 1) * size)]
        return own.indexOf(Math.max(...own))
      })
      assert.deepEqual([...chosen!], best)
    }
    arena.release()
    sequence.dispose()
  })

  it('are made once for the same ids, also when they are asked for at once', async () => {
    const { tensors } = backend.memory()
    const heads = await Promise.all([model.draftHead([1, 2]), model.draftHead([1, 2]), model.draftHead([1, 3])])
    assert.equal(heads[0], heads[1])
    assert.notEqual(heads[0], heads[2])
    assert.equal(await model.draftHead([1, 2]), heads[0])
    assert.equal(backend.memory().tensors, tensors + 2)
  })

  it('that are lent are kept while they are used, and then the two that were used last', async () => {
    const { tensors } = backend.memory()
    const made = (): number => backend.memory().tensors - tensors
    const loans = []
    for (const id of [1, 2, 3]) loans.push(await model.lendDraftHead([id]))
    assert.equal(made(), 3)
    const again = await model.lendDraftHead([1])
    assert.equal(again.head, loans[0]!.head)
    loans[0]!.release()
    loans[0]!.release()
    assert.equal(made(), 3, 'the first is lent still')
    loans[1]!.release()
    assert.equal(made(), 2)
    again.release()
    loans[2]!.release()
    assert.equal(made(), 2)
    const [first, third] = [await model.lendDraftHead([1]), await model.lendDraftHead([3])]
    assert.deepEqual([first.head, third.head], [loans[0]!.head, loans[2]!.head])
    first.release()
    third.release()
    for (const id of [4, 5, 6, 7]) (await model.lendDraftHead([id])).release()
    assert.equal(made(), 2)
  })

  it('that were asked for as such are kept, beside those that are lent', async () => {
    const { tensors } = backend.memory()
    const kept = await model.draftHead([9])
    const loan = await model.lendDraftHead([9])
    assert.equal(loan.head, kept)
    loan.release()
    for (const id of [4, 5, 6]) (await model.lendDraftHead([id])).release()
    assert.equal(backend.memory().tensors, tensors + 3)
    assert.equal(await model.draftHead([9]), kept)
  })

  it('are freed once, whoever gives them back when the model is gone', async () => {
    const made = backend.memory()
    const other = await loadModel(folderOf('llama2-f32'), { backend })
    const loans = [await other.lendDraftHead([1]), await other.lendDraftHead([2]), await other.lendDraftHead([3])]
    const late = assert.rejects(other.lendDraftHead([4, 5]), { code: 'ERR_DISPOSED' })
    await other.dispose()
    await late
    for (const { release } of loans) release()
    assert.deepEqual(backend.memory(), made)
  })

  it('take no memory for the whole vocabulary, whose head is there', async () => {
    const { tensors } = backend.memory()
    const all = Array.from({ length: model.config.vocabSize }, (_, i) => i)
    const { weight, identity } = await model.draftHead(all)
    assert.equal(weight, model.weights.head)
    assert.equal(identity, true)
    assert.equal(backend.memory().tensors, tensors)
  })

  it('are freed with the model, also those that are only half made', async () => {
    const made = backend.memory()
    const other = await loadModel(folderOf('llama2-f32'), { backend })
    await other.draftHead([1, 2])
    const late = assert.rejects(other.draftHead([4, 5]), { code: 'ERR_DISPOSED' })
    await other.dispose()
    await late
    await assert.rejects(other.draftHead([6]), { code: 'ERR_DISPOSED' })
    assert.deepEqual(backend.memory(), made)
  })

  it('are of ids of the vocabulary, ascending, each once', async () => {
    const memory = backend.memory()
    const wrong: [unknown, RegExp][] = [
      [[], /at least one/],
      ['all', /a list of token ids, not all/],
      [undefined, /not undefined/],
      [[0, 320], /id 1 of the draft head is 320; the vocabulary has ids 0 to 319/],
      [[-1], /id 0 .* -1;/],
      [[0.5], /0\.5/],
      [[3, 3], /id 1 of the draft head is 3, after 3/],
      [[4, 2], /is 2, after 4; give each once, in ascending order/],
    ]
    for (const [ids, message] of wrong) {
      await assert.rejects(model.draftHead(ids as number[]), { code: 'ERR_ARGUMENT', message }) // as JavaScript may call it
    }
    assert.deepEqual(backend.memory(), memory)
  })
})
