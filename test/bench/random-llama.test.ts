// Models of a shape alone: what they are made of, and what they take.
import assert from 'node:assert/strict'
import { type Backend, byteSize, elementCount, openBackend, type WeightSpec } from 'drafthorse/engine'
import { bytesOf, fittingLlama, randomLlama, weightSpecs } from '../../bench/random-llama.ts'
import { shapes } from '../../bench/shapes.ts'
import { convert } from '../../engine/convert.ts'
import { OutOfMemoryError } from '../../engine/errors.ts'
import { createTurn } from '../../engine/turn.ts'
import { tensorShapes } from '../../model/weights.ts'

const turn = createTurn()
const config = { ...shapes['smollm2-135m']!, vocabSize: 64, hiddenSize: 64, intermediateSize: 32, numHiddenLayers: 4 }
const nothing = { tensors: 0, caches: 0, arenas: 0, bytes: 0 }

/** A backend that takes nothing, with the bytes that it was given. */
function keeping(backend: Backend) {
  const given: Uint8Array[] = []
  const upload: Backend['upload'] = (data, { shape, dtype }) => {
    given.push(Uint8Array.from(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)))
    return { shape, dtype }
  }
  return { given, backend: { ...backend, upload, free: () => {} } }
}

describe('a shape', () => {
  // As the model cards and the checkpoints themselves have them.
  for (const [name, parameters] of [
    ['smollm2-135m', 134_515_008],
    ['tinyllama-1.1b', 1_100_048_384],
    ['llama-3.2-1b', 1_235_814_400],
    ['llama-3.2-3b', 3_212_749_824],
    ['llama-2-7b', 6_738_415_616],
  ] as const) {
    it(`of ${name} has as many parameters as the model`, () => {
      const sizes = [...tensorShapes(shapes[name]!).values()].map(elementCount)
      assert.equal(
        sizes.reduce((sum, size) => sum + size, 0),
        parameters,
      )
    })

    it(`of ${name} has rows that blocks of every type fit, and takes bytes by its layers`, async () => {
      const backend = await openBackend('reference')
      const shape = shapes[name]!
      const bytes = (numHiddenLayers: number): number =>
        bytesOf(weightSpecs(backend, { ...shape, numHiddenLayers }, 'q4_0'))
      for (const weight of weightSpecs(backend, shape, 'q4_0')) {
        assert.equal(weight.dtype, weight.shape.length === 1 ? 'f32' : 'q4_0')
      }
      const layer = bytes(2) - bytes(1)
      assert.equal(bytes(shape.numHiddenLayers), bytes(1) + (shape.numHiddenLayers - 1) * layer)
      await backend.dispose()
    })
  }
})

describe('a model of a shape', () => {
  it('tells the backend of all its weights before the first is uploaded', async () => {
    const backend = await openBackend('reference')
    const told: WeightSpec[] = []
    const asked = {
      ...backend,
      async prepare(weights: readonly WeightSpec[]) {
        assert.equal(backend.memory().tensors, 0)
        told.push(...weights)
      },
    }
    const llama = await randomLlama(asked, config, { dtype: 'bf16', turn })
    assert.equal(told.length, backend.memory().tensors)
    assert.deepEqual([told[0]!.shape, told[0]!.dtype], [[64, 64], 'bf16'])
    llama.free()
    await backend.dispose()
  })

  it('takes nothing where the backend says that it does not fit', async () => {
    const backend = await openBackend('reference')
    const full = { ...backend, prepare: () => Promise.reject(new OutOfMemoryError('too large')) }
    await assert.rejects(randomLlama(full, config, { dtype: undefined, turn }), { code: 'ERR_OUT_OF_MEMORY' })
    assert.equal(backend.memory().tensors, 0)
    await backend.dispose()
  })

  it('frees what it took when it is interrupted', async () => {
    const backend = await openBackend('reference')
    let turns = 0
    const failing = async (): Promise<void> => {
      if (++turns > 5) throw new Error('enough')
    }
    await assert.rejects(randomLlama(backend, config, { dtype: undefined, turn: failing }), /enough/)
    assert.equal(backend.memory().tensors, 0)
    await backend.dispose()
  })

  it('has in each type the same noise, of rows that all differ, and of a size by their width', async () => {
    const reference = await openBackend('reference')
    const wide = { ...config, vocabSize: 4096 }
    const noise = async (dtype: 'f32' | 'q8_0' | 'q4_0'): Promise<Uint8Array[]> => {
      const { backend, given } = keeping(reference)
      await randomLlama(backend, wide, { dtype, turn })
      return given
    }
    const plain = await noise('f32')
    for (const dtype of ['q8_0', 'q4_0'] as const) {
      const blocks = await noise(dtype)
      for (const [i, shape] of [...tensorShapes(wide).values()].entries()) {
        if (shape.length > 1) assert.deepEqual(blocks[i], convert(plain[i]!, 'f32', dtype))
        else assert.deepEqual(blocks[i], plain[i])
      }
    }
    const values = new Float32Array(plain[0]!.buffer)
    const rows = Array.from({ length: 1000 }, (_, row) => values.subarray(64 * row, 64 * row + 64).join())
    assert.equal(new Set(rows).size, 1000)
    const square = values.reduce((sum, value) => sum + value * value, 0) / values.length
    assert.ok(Math.abs(square * 64 * 3 - 1) < 0.02, 'evenly from -1 to 1, over the root of 64')
    await reference.dispose()
  })
})

describe('as much of a shape as fits', () => {
  const options = { dtype: 'f32', turn, positions: 8 } as const
  const large = { ...config, intermediateSize: 512, numHiddenLayers: 3000 }
  const passes = 2 ** 27

  /** Layers that run where so many bytes are free beside what passes take. */
  async function layersWhere(free: number, layers?: number): Promise<number> {
    const backend = await openBackend('reference')
    try {
      const llama = await fittingLlama(backend, large, { ...options, layers, free: () => passes + free })
      const { numHiddenLayers } = llama.config
      llama.free()
      return numHiddenLayers
    } finally {
      assert.deepEqual(backend.memory(), nothing)
      await backend.dispose()
    }
  }

  it('is all of a small one', async () => {
    const backend = await openBackend('reference')
    const llama = await fittingLlama(backend, config, options)
    assert.equal(llama.config.numHiddenLayers, 4)
    llama.free()
    await backend.dispose()
  })

  it('is six layers of a large one, or as many as are asked for', async () => {
    assert.equal(await layersWhere(2 ** 30), 6)
    assert.equal(await layersWhere(2 ** 30, 9), 9)
  })

  it('is fewer where there is less memory, and none where two do not fit', async () => {
    const backend = await openBackend('reference')
    const bytes = (numHiddenLayers: number): number => {
      const weights = weightSpecs(backend, { ...large, numHiddenLayers }, 'f32')
      const sizes = weights.map(({ shape, dtype }) => byteSize(dtype, shape))
      return bytesOf(weights) + Math.max(...sizes) + 2 * numHiddenLayers * 2 * 8 * 3 * 64 * 4
    }
    assert.equal(await layersWhere(bytes(6)), 6)
    assert.equal(await layersWhere(bytes(6) - 1), 5)
    assert.equal(await layersWhere(bytes(2)), 2)
    await assert.rejects(layersWhere(bytes(2) - 1), { code: 'ERR_OUT_OF_MEMORY', message: /^2 of 3000 layers do not/ })
    await assert.rejects(layersWhere(bytes(6), 9), { code: 'ERR_OUT_OF_MEMORY', message: /^9 of 3000 layers do not/ })
    await backend.dispose()
  })

  it('leaves the backend room for passes', async () => {
    const reference = await openBackend('reference')
    const told: number[] = []
    const backend: Backend = {
      ...reference,
      async prepare(weights) {
        told.push(bytesOf(weights))
        if (told.length < 3) throw new OutOfMemoryError('too large')
      },
    }
    const llama = await fittingLlama(backend, large, { ...options, free: () => undefined })
    assert.equal(llama.config.numHiddenLayers, 4)
    assert.ok(told[2]! - bytesOf(weightSpecs(backend, llama.config, 'f32')) >= passes)
    llama.free()
    await reference.dispose()
  })

  it('is not one layer of several, which shows nothing', async () => {
    await assert.rejects(layersWhere(2 ** 30, 1), { code: 'ERR_ARGUMENT', message: /from 2 layers on, not from 1/ })
  })
})
