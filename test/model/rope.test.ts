// Rope's frequencies by kind of scaling, against the formulas written out.
import assert from 'node:assert/strict'
import { loadModel } from 'drafthorse'
import { inverseFrequencies, type LlamaConfig, openCheckpoint, type RopeScaling } from 'drafthorse/model'
import { folderOf, stories260K } from '../checkpoints.ts'

describe('inverseFrequencies', () => {
  let base: LlamaConfig
  before(async () => {
    const checkpoint = await openCheckpoint(folderOf('llama2-f32'))
    base = checkpoint.config
    await checkpoint.close()
  })
  const frequencies = (ropeScaling: RopeScaling, config: Partial<LlamaConfig> = {}): Float32Array =>
    inverseFrequencies({ ...base, ...config, ropeScaling })

  it('are theta^(-2i / headDim)', () => {
    assert.deepEqual(
      frequencies({ type: 'default' }, { headDim: 8, ropeTheta: 10000 }),
      Float32Array.of(1, 0.1, 0.01, 0.001),
    )
    assert.equal(
      frequencies({ type: 'default' }, { headDim: 64, ropeTheta: 500000 })[31],
      Math.fround(500000 ** (-31 / 32)),
    )
  })

  it('are divided by the factor in linear scaling', () => {
    assert.deepEqual(
      frequencies({ type: 'linear', factor: 4 }),
      frequencies({ type: 'default' }).map((frequency) => frequency / 4),
    )
  })

  it('of Llama 3 keep short waves, divide long ones, and go over evenly between', () => {
    const llama3 = { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4 } as const
    const scaling = { ...llama3, originalMaxPositionEmbeddings: 8192 }
    const size = { headDim: 128, ropeTheta: 500000 }
    const plain = frequencies({ type: 'default' }, size)
    const scaled = frequencies(scaling, size)
    let between = 0
    for (const [i, frequency] of plain.entries()) {
      const wavelength = (2 * Math.PI) / frequency
      if (wavelength < 8192 / 4) assert.equal(scaled[i], frequency)
      else if (wavelength > 8192) assert.equal(scaled[i], Math.fround(frequency / 8))
      else {
        between++
        const smooth = (8192 / wavelength - 1) / (4 - 1)
        const expected = ((1 - smooth) * frequency) / 8 + smooth * frequency
        assert.ok(Math.abs(scaled[i]! - expected) <= 1e-6 * expected)
      }
    }
    assert.ok(between > 0)
    assert.ok(scaled.every((frequency, i) => i === 0 || frequency < scaled[i - 1]!))
  })
})

describe('the tables of angles', () => {
  it('grow with the positions used, and give the same angles then', async () => {
    await using model = await loadModel(stories260K, { backend: 'reference' })
    const ids = Array.from({ length: 300 }, (_, i) => 260 + (i % 200))
    const before = await model.logits(ids.slice(0, 40))
    const { tensors, bytes } = model.backend.memory()
    const long = await model.logits(ids)
    assert.equal(model.backend.memory().tensors, tensors)
    assert.ok(model.backend.memory().bytes > bytes)
    assert.deepEqual(long.subarray(0, before.length), before)
    assert.deepEqual(await model.logits(ids.slice(0, 40)), before)
  })

  it('take no memory for a context that nobody uses', async () => {
    await using model = await loadModel(stories260K, { backend: 'reference' })
    const { tensors, bytes } = model.backend.memory()
    await model.logits([1])
    const half = model.config.headDim / 2
    assert.deepEqual(model.backend.memory(), {
      tensors: tensors + 2,
      caches: 0,
      arenas: 0,
      bytes: bytes + 2 * 256 * half * 4,
    })
  })
})
