// What a model knows of drafting on its backend: which of the costs in a skip file are taken.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { loadModel } from 'drafthorse'
import { convertModel, memoryFiles, memorySink, type SkipCosts } from 'drafthorse/model'
import { draftCostsOn } from '../../model/skip-prior.ts'
import { folderOf } from '../checkpoints.ts'

const survival = [0.75, 0.5]
const of = (backend: string, dtype: string, threads: number, draft: number): SkipCosts => ({
  backend,
  dtype,
  threads,
  draft,
  verify: [1, 1 + draft],
})

describe('the costs that hold on a backend', () => {
  const costs = [
    of('wasm', 'f32', 4, 0.1),
    of('wasm', 'f32', 2, 0.2),
    of('wasm', 'q8_0', 1, 0.3),
    of('wasm', 'f32', 8, 0.4),
  ]
  const draftOn = (backend: string, dtype: string, threads: number): number | undefined =>
    draftCostsOn({ costs, survival }, { backend, dtype, threads })?.draft

  it('are those of its own type and threads', () => {
    const costsHere = draftCostsOn({ costs, survival }, { backend: 'wasm', dtype: 'f32', threads: 2 })
    assert.deepEqual(costsHere, { draft: 0.2, verify: [1, 1.2], survival })
    assert.equal(draftOn('wasm', 'f32', 4), 0.1)
    assert.equal(draftOn('wasm', 'f32', 8), 0.4)
  })

  it('else those of the nearest number of threads, the smaller of two', () => {
    assert.equal(draftOn('wasm', 'f32', 1), 0.2)
    assert.equal(draftOn('wasm', 'f32', 3), 0.2)
    assert.equal(draftOn('wasm', 'f32', 5), 0.1)
    assert.equal(draftOn('wasm', 'f32', 64), 0.4)
    assert.equal(draftOn('wasm', 'q8_0', 16), 0.3)
  })

  it('tell the part of a pass that is not done again where it was measured', () => {
    const here = { backend: 'wasm', dtype: 'f32', threads: 2 }
    const withPart = [{ ...of('wasm', 'f32', 2, 0.2), prefix: 0.25 }]
    const found = draftCostsOn({ costs: withPart, survival }, here)
    assert.deepEqual(found, { draft: 0.2, verify: [1, 1.2], prefix: 0.25, survival })
  })

  it('are none of another backend or type, and nothing without survival or without costs', () => {
    assert.equal(draftOn('reference', 'f32', 2), undefined)
    assert.equal(draftOn('wasm', 'bf16', 2), undefined)
    assert.equal(draftCostsOn({ costs }, { backend: 'wasm', dtype: 'f32', threads: 2 }), undefined)
    assert.equal(draftCostsOn({ survival }, { backend: 'wasm', dtype: 'f32', threads: 2 }), undefined)
  })
})

describe('a model', () => {
  const prior = { costs: [of('reference', 'f32', 1, 0.5), of('reference', 'bf16', 1, 0.25)], survival }
  const set = { attention: [1], mlp: [0] }

  async function filesWith(entry: object) {
    const entries: Record<string, Uint8Array> = {}
    for (const file of ['config.json', 'model.safetensors']) {
      entries[file] = await readFile(`${folderOf('gqa-tied-bf16')}/${file}`)
    }
    const content = { format: 'drafthorse/skip@1', tied: entry }
    return memoryFiles('tied', { ...entries, 'skip_layers.json': new TextEncoder().encode(JSON.stringify(content)) })
  }

  it('has the draft costs of its set, by the type in which most of its weights run', async () => {
    const files = await filesWith({ ...set, ...prior })
    await using model = await loadModel(files, { backend: 'reference', dtype: 'f32' })
    assert.deepEqual([model.skip, model.skipPrior, model.summary.dtype], [set, prior, 'f32'])
    assert.deepEqual(model.draftCosts, { draft: 0.5, verify: [1, 1.5], survival })
    await using short = await loadModel(files, { backend: 'reference', dtype: 'bf16' })
    assert.equal(short.summary.dtype, 'bf16')
    assert.deepEqual(short.draftCosts?.draft, 0.25)
    await using other = await loadModel(files, { backend: 'wasm', dtype: 'f32', threads: 1 })
    assert.equal(other.draftCosts, undefined)
    assert.deepEqual(other.skipPrior, prior)
  })

  it('has none where nothing is known', async () => {
    await using model = await loadModel(await filesWith(set), { backend: 'reference' })
    assert.deepEqual([model.skip, model.skipPrior, model.draftCosts], [set, undefined, undefined])
  })

  it('is refused with costs that are none, which are named', async () => {
    const loading = loadModel(await filesWith({ ...set, survival: [2] }), { backend: 'reference' })
    await assert.rejects(loading, { code: 'ERR_MODEL_FORMAT', message: /"tied" of skip_layers\.json.*"survival"\[0\]/ })
  })

  it('hands them on to what it is converted to', async () => {
    const sink = memorySink('made')
    await convertModel(await filesWith({ ...set, ...prior }), sink)
    const content = JSON.parse(new TextDecoder().decode(sink.files['skip_layers.json']))
    assert.deepEqual(content, { format: 'drafthorse/skip@1', made: { ...set, ...prior } })
  })
})
