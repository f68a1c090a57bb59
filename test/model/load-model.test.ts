// Loading: types, progress, aborts, who owns what, and that nothing is left behind.
import assert from 'node:assert/strict'
import { generate, type LoadOptions, loadModel, type Model } from 'drafthorse'
import { type BackendModule, byteSize, OutOfMemoryError, openBackend, type WeightSpec } from 'drafthorse/engine'
import { type ReferenceTensor, reference } from 'drafthorse/engine/reference'
import type { ByteSource, ModelFiles } from 'drafthorse/model'
import { memorySource } from '../../model/load/files.ts'
import { argmax, checkpoints, edited, folderOf, oracle, readGolden, stories260K } from '../checkpoints.ts'
import { outcome, skipping } from '../decode/generations.ts'

const nothing = { tensors: 0, caches: 0, arenas: 0, bytes: 0 }
const ids = [5, 99, 3, 250, 17, 42]

describe('loadModel', () => {
  it('refuses what is missing or unknown with a typed error that names it', async () => {
    const folder = folderOf('llama2-f32')
    const wrong = (options: Record<string, unknown>): LoadOptions => options as LoadOptions // as from JavaScript
    await assert.rejects(loadModel('./no/such/model'), { code: 'ERR_NOT_FOUND', message: /no\/such\/model/ })
    await assert.rejects(loadModel(oracle('hf')), { code: 'ERR_NOT_FOUND', message: /config\.json/ })
    await assert.rejects(loadModel(folder, { backend: 'cuda' }), {
      code: 'ERR_ARGUMENT',
      message: /"cuda".*reference/,
    })
    await assert.rejects(loadModel(folder, wrong({ dtype: 'q2_k' })), { code: 'ERR_DTYPE', message: /f32.*not q2_k/ })
    await assert.rejects(loadModel(folder, { threads: 0 }), { code: 'ERR_ARGUMENT', message: /threads is 0/ })
    await assert.rejects(loadModel(await edited('qwen2', { model_type: 'qwen2_moe' })), {
      code: 'ERR_MODEL_FORMAT',
      message: /"qwen2_moe" model.*llama, mistral, qwen2, qwen3/,
    })
  })

  it('says what is not there to run on', async () => {
    const absent = { ...reference, name: 'absent', unavailable: async () => 'there is no such chip; install one' }
    await assert.rejects(loadModel(folderOf('llama2-f32'), { backend: absent }), {
      code: 'ERR_BACKEND_UNAVAILABLE',
      message: /absent.*install one/,
    })
  })

  it('finds the embedded model by its name', async () => {
    await using model = await loadModel('stories', { backend: 'reference' })
    assert.equal(model.name, 'stories')
    assert.equal(model.hasTokenizer, true)
    assert.ok(model.skip && model.skip.attention.length > 0)
    assert.equal(model.summary.stored.bf16, model.backend.memory().tensors)
    assert.deepEqual(model.summary.running, { f32: model.summary.stored.bf16 })
  })

  it('counts parameters and types', async () => {
    const backend = 'reference'
    await using model = await loadModel(folderOf('gqa-tied-bf16'), { backend })
    const { format, parameters, stored, running } = model.summary
    assert.deepEqual({ format, stored, running }, { format: 'safetensors', stored: { bf16: 38 }, running: { f32: 38 } })
    assert.equal(parameters, model.backend.memory().bytes / 4)
    await using other = await loadModel(folderOf('gqa-tied-bf16'), { backend, dtype: 'bf16' })
    assert.deepEqual(other.summary.running, { bf16: 29, f32: 9 })
    assert.equal(other.summary.parameters, parameters)
  })

  it('passes over tensors that a Llama does not need, whatever their type', async () => {
    const files = await edited('llama2-f32', {})
    const more = await withTensor(files, 'model.layers.0.self_attn.rotary_emb.inv_freq')
    const open = async (path: string) => (path === 'model.safetensors' ? more : files.open(path))
    await using plain = await loadModel(folderOf('llama2-f32'))
    await using model = await loadModel({ ...files, open })
    assert.deepEqual(model.summary, plain.summary)
    assert.deepEqual(await model.logits([1, 2]), await plain.logits([1, 2]))
  })

  it('tells its progress, tensor by tensor', async () => {
    const seen: { tensor: string; loaded: number; total: number }[] = []
    await using model = await loadModel(folderOf('llama2-f32'), {
      backend: 'reference',
      onProgress: (progress) => seen.push(progress),
    })
    const { tensors } = model.backend.memory()
    assert.deepEqual(
      seen.map(({ loaded, total }) => [loaded, total]),
      seen.map((_, i) => [i + 1, tensors]),
    )
    assert.equal(new Set(seen.map(({ tensor }) => tensor)).size, tensors)
    assert.equal(seen[0]!.tensor, 'model.embed_tokens.weight')
  })

  it('tells a backend of all weights before it reads one, and ends with what that throws', async () => {
    const files = await edited('gqa-tied-bf16', {})
    let reads = 0
    const counting: ModelFiles = {
      ...files,
      async open(path) {
        const source = await files.open(path)
        if (!source || !path.endsWith('.safetensors')) return source
        // The header is read before anything is known of the weights.
        return {
          ...source,
          read: (from, size) => {
            if (told.length > 0) reads++
            return source.read(from, size)
          },
        }
      },
    }
    const told: (readonly WeightSpec[])[] = []
    let room = 0
    const module: BackendModule<ReferenceTensor> = {
      ...reference,
      async open(options) {
        const backend = await reference.open(options)
        return {
          ...backend,
          async prepare(weights) {
            told.push(weights)
            const needed = weights.reduce((sum, { shape, dtype }) => sum + byteSize(dtype, shape), 0)
            if (needed > room) throw new OutOfMemoryError(`${needed} bytes, and ${room} are free`)
          },
        }
      },
    }
    const loading = loadModel(counting, { backend: module, dtype: 'f32' })
    await assert.rejects(loading, { code: 'ERR_OUT_OF_MEMORY', message: /^\d+ bytes, and 0 are free$/ })
    assert.equal(reads, 0)
    room = Number.MAX_SAFE_INTEGER
    await using model = await loadModel(counting, { backend: module, dtype: 'f32' })
    assert.ok(reads > 0)
    const { bytes, tensors } = model.backend.memory()
    const sizes = told[1]!.map(({ shape, dtype }) => byteSize(dtype, shape))
    assert.deepEqual([sizes.length, sizes.reduce((sum, size) => sum + size, 0)], [tensors, bytes])
    assert.deepEqual(told[0], told[1])
  })

  it('ends by an abort signal with an AbortError, at any tensor, and leaves nothing', async () => {
    const backend = await openBackend('reference')
    for (const at of [1, 2, 21, 38]) {
      const controller = new AbortController()
      const reason = new Error('enough')
      const loading = loadModel(folderOf('gqa-tied-bf16'), {
        backend,
        signal: controller.signal,
        onProgress: ({ loaded }) => void (loaded === at && controller.abort(reason)),
      })
      if (at === 38) await (await loading).dispose()
      else await assert.rejects(loading, { code: 'ERR_ABORTED', cause: reason })
      assert.deepEqual(backend.memory(), nothing)
    }
    await assert.rejects(loadModel(folderOf('gqa-tied-bf16'), { backend, signal: AbortSignal.abort() }), {
      code: 'ERR_ABORTED',
    })
    assert.deepEqual(backend.memory(), nothing)
    await backend.dispose()
  })

  it('leaves nothing when whoever listens to its progress fails', async () => {
    const backend = await openBackend('reference')
    const mine = new Error('not mine to bear')
    const onProgress = ({ loaded }: { loaded: number }): void => {
      if (loaded === 9) throw mine
    }
    await assert.rejects(loadModel(folderOf('gqa-tied-bf16'), { backend, onProgress }), (error) => error === mine)
    assert.deepEqual(backend.memory(), nothing)
    await backend.dispose()
  })

  it('disposes of a backend that it opened itself, and of no other', async () => {
    let disposed = 0
    const module = {
      ...reference,
      async open(options: object) {
        const backend = await reference.open(options)
        return { ...backend, dispose: async () => void disposed++ }
      },
    }
    const owned = await loadModel(folderOf('llama2-f32'), { backend: module })
    await owned.dispose()
    await owned.dispose()
    assert.equal(disposed, 1)

    const backend = await openBackend(module)
    {
      await using model = await loadModel(folderOf('llama2-f32'), { backend })
      assert.equal(model.backend, backend)
    }
    assert.equal(disposed, 1)
    assert.deepEqual(backend.memory(), nothing)
    await backend.dispose()

    await assert.rejects(loadModel(folderOf('llama2-f32'), { backend: module, signal: AbortSignal.abort() }))
    assert.equal(disposed, 3)
  })

  it('lets two models share a backend', async () => {
    const backend = await openBackend('reference')
    const load = (name: (typeof checkpoints)[number]): Promise<Model> => loadModel(folderOf(name), { backend })
    const [one, two] = [await load('llama2-f32'), await load('wide-head-bias-f32')]
    const options = { maxNewTokens: 8, ignoreEos: true, draft: 'skip', skip: skipping([1]), draftLength: 3 } as const
    const both = await Promise.all([generate(one, ids, options).result, generate(two, ids, options).result])
    for (const [i, name] of (['llama2-f32', 'wide-head-bias-f32'] as const).entries()) {
      await using alone = await loadModel(folderOf(name))
      assert.deepEqual(outcome(both[i]!), outcome(await generate(alone, ids, options).result))
    }
    await one.dispose()
    assert.deepEqual(outcome(await generate(two, ids, options).result), outcome(both[1]!))
    await two.dispose()
    assert.deepEqual(backend.memory(), nothing)
    await backend.dispose()
  })

  it('comes back to the same memory after every load, generation and dispose', async () => {
    const backend = await openBackend('reference')
    const options = { maxNewTokens: 4, ignoreEos: true, draft: 'skip', draftLength: 2 } as const
    for (let round = 0; round < 30; round++) {
      const model = await loadModel(folderOf(checkpoints[round % checkpoints.length]!), { backend })
      const stream = generate(model, ids, { ...options, skip: skipping([1]) })
      if (round % 3 === 0) for await (const event of stream) if (event.type === 'token') break
      await stream.result
      model.createSequence()
      const held = backend.memory()
      await generate(model, ids, { ...options, skip: skipping([2]) }).result
      assert.deepEqual(backend.memory(), held)
      await model.dispose()
      assert.deepEqual(backend.memory(), nothing, `round ${round}`)
    }
    await backend.dispose()
  })
})

describe('the type in which a model runs', () => {
  for (const name of ['gqa-tied-bf16', 'linear-rope-deep-bf16'] as const) {
    it(`changes nothing between f32 and bf16 for bf16 weights: ${name}, bit for bit`, async () => {
      await using wide = await loadModel(folderOf(name), { backend: 'reference', dtype: 'f32' })
      await using narrow = await loadModel(folderOf(name), { backend: 'reference', dtype: 'bf16' })
      assert.ok(narrow.backend.memory().bytes < 0.6 * wide.backend.memory().bytes)
      assert.deepEqual(await narrow.logits(ids), await wide.logits(ids))
      const options = { maxNewTokens: 10, ignoreEos: true, draft: 'skip', skip: skipping([1]), draftLength: 3 } as const
      assert.deepEqual(
        outcome(await generate(narrow, ids, options).result),
        outcome(await generate(wide, ids, options).result),
      )
    })
  }

  for (const [dtype, memory, share] of [
    ['q8_0', 0.35, 0.5],
    ['q4_0', 0.25, 0.2],
    ['q4_1', 0.25, 0.2],
  ] as const) {
    it(`may be ${dtype}: the model stays near its f32 self, and drafts change nothing`, async () => {
      for (const name of ['llama2-f32', 'llama3-rope-sharded-f16'] as const) {
        await using full = await loadModel(folderOf(name), { backend: 'reference' })
        await using packed = await loadModel(folderOf(name), { backend: 'reference', dtype })
        assert.ok(packed.summary.running[dtype]! > 0)
        assert.ok(packed.backend.memory().bytes < memory * full.backend.memory().bytes)
        const { inputIds } = await readGolden(name)
        const [exact, near] = [await full.logits(inputIds), await packed.logits(inputIds)]
        const { vocabSize } = full.config
        const agreeing = inputIds.filter((_, i) => {
          const row = (logits: Float32Array): number => argmax(logits.subarray(i * vocabSize, (i + 1) * vocabSize))
          return row(exact) === row(near)
        })
        assert.ok(agreeing.length >= inputIds.length * share, `${agreeing.length} of ${inputIds.length} choices agree`)

        const options = { maxNewTokens: 12, ignoreEos: true }
        const plain = await generate(packed, ids, { ...options, draft: 'none' }).result
        for (const draftLength of [1, 3, 8]) {
          const result = await generate(packed, ids, { ...options, draft: 'skip', skip: skipping([1]), draftLength })
            .result
          assert.deepEqual(outcome(result), outcome(plain))
        }
      }
    })
  }

  it('is lossless where the blocks of the type asked for do not fit', async () => {
    await using model = await loadModel(stories260K, { backend: 'reference', dtype: 'q8_0' })
    const { running } = model.summary
    assert.equal(running.q8_0, 31) // all matrices but the five down projections, whose rows have 172 values
    assert.equal(running.f32, 16)
    const { text } = await generate(model, 'Once upon a time', { maxNewTokens: 20 }).result
    assert.match(text, /^, there was a/)
  })
})

/** The checkpoint's one file with a tensor of eight f64 more. */
async function withTensor(files: ModelFiles, name: string): Promise<ByteSource> {
  const source = (await files.open('model.safetensors'))!
  const bytes = Buffer.from(await source.read(0, source.size))
  await source.close()
  const headerSize = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerSize))
  const data = bytes.subarray(8 + headerSize)
  header[name] = { dtype: 'F64', shape: [8], data_offsets: [data.length, data.length + 64] }
  const json = Buffer.from(JSON.stringify(header))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(json.length))
  return memorySource('model.safetensors', Buffer.concat([size, json, data, Buffer.alloc(64)]))
}
