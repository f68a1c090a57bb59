// Checkpoints: every format comes out the same, with exact tensors; what is missing or broken is named.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Checkpoint, openCheckpoint } from '../../../model/load/checkpoint.ts'
import { type ModelFiles, memoryFiles } from '../../../model/load/files.ts'
import { golden } from '../../golden.ts'
import { fails, json, readSafetensors, repository, safetensors } from './fixtures.ts'

const hf = repository('test/oracles/hf')
const names = readdirSync(hf)

const config = {
  model_type: 'llama',
  vocab_size: 8,
  hidden_size: 4,
  intermediate_size: 4,
  num_hidden_layers: 1,
  num_attention_heads: 2,
}
const weights = safetensors(
  { 'model.norm.weight': { dtype: 'F32', shape: [1], data_offsets: [0, 4] } },
  new Uint8Array(4),
)
const minimal = { 'config.json': json(config), 'model.safetensors': weights }

function files(changes: Record<string, Uint8Array | undefined> = {}, file?: string): ModelFiles {
  const entries = Object.entries({ ...minimal, ...changes }).filter(
    (entry): entry is [string, Uint8Array] => entry[1] !== undefined,
  )
  return memoryFiles('m', Object.fromEntries(entries), file === undefined ? {} : { file })
}

async function using<T>(source: string | ModelFiles, run: (checkpoint: Checkpoint) => T | Promise<T>): Promise<T> {
  const checkpoint = await openCheckpoint(source)
  try {
    return await run(checkpoint)
  } finally {
    await checkpoint.close()
    await checkpoint.close()
  }
}

describe('openCheckpoint', () => {
  assert.equal(names.length, 5)
  for (const name of names) {
    it(`opens ${name} with exactly the tensors of its files`, () =>
      using(join(hf, name), async (checkpoint) => {
        const shards = readdirSync(join(hf, name)).filter((path) => /^model.*\.safetensors$/.test(path))
        const expected = new Map(shards.flatMap((path) => [...readSafetensors(join(hf, name, path))]))
        assert.deepEqual([...checkpoint.tensors.keys()].sort(), [...expected.keys()].sort())
        for (const [key, { dtype, shape, bytes }] of expected) {
          const tensor = checkpoint.tensors.get(key)!
          assert.deepEqual([tensor.name, tensor.dtype, tensor.shape], [key, dtype.toLowerCase(), shape])
          assert.deepEqual(Uint8Array.from(await tensor.read()), bytes, key)
        }
        const { format, tokenizer, skip } = checkpoint
        assert.deepEqual([checkpoint.name, format, tokenizer, skip], [name, 'safetensors', undefined, undefined])
        assert.equal(checkpoint.config.storedDType, [...expected.values()][0]!.dtype.toLowerCase())
        golden()
      }))
  }

  it('opens the embedded model by its name, with tokenizer and skip set, wherever the process runs', async () => {
    const before = process.cwd()
    process.chdir(tmpdir())
    try {
      await using('stories', ({ name, format, config, tokenizer, skip, tensors }) => {
        assert.deepEqual([name, format, config.vocabSize, config.eosTokenIds], ['stories', 'safetensors', 4096, [0]])
        assert.equal(tokenizer?.vocabSize, 4096)
        assert.deepEqual(skip, { attention: [3, 4, 5, 6, 7, 8, 9, 10, 11], mlp: [3, 4, 5, 6, 7, 8, 9, 10, 11] })
        assert.deepEqual(tensors.get('model.embed_tokens.weight')?.shape, [4096, 256])
      })
    } finally {
      process.chdir(before)
    }
  })

  it('opens a llama2.c file with the tokenizer beside it', () =>
    using(
      repository('test/oracles/stories260K/stories260K.bin'),
      async ({ name, format, config, tokenizer, tensors }) => {
        assert.deepEqual(
          [name, format, config.eosTokenIds, tokenizer?.vocabSize],
          ['stories260K', 'llama2c', [1, 2], 512],
        )
        const file = readFileSync(repository('test/oracles/stories260K/stories260K.bin'))
        const embedding = tensors.get('model.embed_tokens.weight')!
        assert.deepEqual([embedding.dtype, embedding.shape], ['f32', [512, 64]])
        assert.deepEqual(Uint8Array.from(await embedding.read()), Uint8Array.from(file.subarray(28, 28 + 512 * 64 * 4)))
      },
    ))

  it('opens one .safetensors file with the config beside it, and files in memory', async () => {
    await using(join(hf, 'llama2-f32', 'model.safetensors'), ({ name, tensors }) => {
      assert.deepEqual([name, tensors.size], ['llama2-f32', 39])
    })
    await using(join(hf, 'llama3-rope-sharded-f16', 'model.safetensors.index.json'), ({ tensors }) =>
      assert.equal(tensors.size, 39),
    )
    await using(files(), ({ name, tensors }) =>
      assert.deepEqual([name, [...tensors.keys()]], ['m', ['model.norm.weight']]),
    )
    await using(files({ 'x.safetensors': weights, 'model.safetensors': undefined }, 'x.safetensors'), ({ tensors }) =>
      assert.equal(tensors.size, 1),
    )
  })

  it('names the file that is missing', async () => {
    await fails(
      () => openCheckpoint(files({ 'config.json': undefined })),
      'ERR_NOT_FOUND',
      /"m" has no file "config\.json".*\.bin/,
    )
    await fails(
      () => openCheckpoint(files({ 'model.safetensors': undefined })),
      'ERR_NOT_FOUND',
      /neither "model\.safetensors" nor "model\.safetensors\.index\.json" nor TensorFlow\.js's "model\.json"/,
    )
    await fails(() => openCheckpoint(join(hf, 'none')), 'ERR_NOT_FOUND', /none/)
    await fails(() => openCheckpoint('owner/name'), 'ERR_NOT_FOUND', /drafthorse pull owner\/name/)
    await fails(
      () => openCheckpoint(repository('test/oracles')),
      'ERR_NOT_FOUND',
      /"oracles" has no file "config\.json"/,
    )
    const notSource: unknown = undefined
    await fails(() => openCheckpoint(notSource as string), 'ERR_ARGUMENT', /missing/) // as a caller without types may do
  })

  it('says of PyTorch weights and of other formats what to do', async () => {
    for (const other of ['pytorch_model.bin', 'pytorch_model.bin.index.json']) {
      await fails(
        () => openCheckpoint(files({ 'model.safetensors': undefined, [other]: json('') })),
        'ERR_MODEL_FORMAT',
        new RegExp(`${other}.*safetensors`),
      )
    }
    for (const file of ['m.onnx', 'm.pt', 'config.json']) {
      await fails(
        () => openCheckpoint(files({ [file]: json(config) }, file)),
        'ERR_MODEL_FORMAT',
        /a model is a folder/,
      )
    }
  })

  it('refuses models of other kinds by name, and files that are no JSON', async () => {
    await fails(
      () => openCheckpoint(files({ 'config.json': json({ ...config, model_type: 'gpt2' }) })),
      'ERR_MODEL_FORMAT',
      /"gpt2"/,
    )
    for (const path of ['config.json', 'generation_config.json', 'tokenizer.json', 'skip_layers.json']) {
      await fails(
        () => openCheckpoint(files({ [path]: json('{"a') })),
        'ERR_MODEL_FORMAT',
        new RegExp(`${path.replace('.', '\\.')} is not JSON`),
      )
      await fails(
        () => openCheckpoint(files({ [path]: Uint8Array.of(0x22, 0xff, 0x22) })),
        'ERR_MODEL_FORMAT',
        /is not JSON/,
      )
      await fails(
        () => openCheckpoint(files({ [path]: json('[]') })),
        'ERR_MODEL_FORMAT',
        new RegExp(path.replace('.', '\\.')),
      )
    }
  })

  it('takes the tokenizer of tokenizer.model where there is no tokenizer.json, and says how to chat', async () => {
    const model = readFileSync(repository('test/oracles/sentencepiece/prefix.model'))
    const beside = { 'tokenizer_config.json': json({ add_bos_token: false, chat_template: 'x', bos_token: '<s>' }) }
    await using(files({ 'tokenizer.model': model, ...beside }), ({ tokenizer, chat }) => {
      assert.equal(tokenizer?.vocabSize, 500)
      assert.notEqual(tokenizer.encode('Once')[0], 1)
      assert.deepEqual([chat?.templates, chat?.tokens], [{ default: 'x' }, { bos_token: '<s>' }])
    })
    const own = { model: { type: 'BPE', vocab: { a: 0 }, merges: [] } }
    await using(files({ 'tokenizer.model': model, 'tokenizer.json': json(own) }), ({ tokenizer, chat }) => {
      assert.deepEqual([tokenizer?.vocabSize, chat], [1, undefined])
    })
    const damaged = files({ 'tokenizer.model': json('x') })
    await fails(
      () => openCheckpoint(damaged),
      'ERR_MODEL_FORMAT',
      /tokenizer\.model of "m" is not a SentencePiece model/,
    )
  })

  it("lets generation_config.json decide what ends a text, and reads the model's own entry of skip_layers.json", async () => {
    const sets = { other: { attention: [0], mlp: [] }, m: { attention: [], mlp: [0] } }
    await using(
      files({ 'generation_config.json': json({ eos_token_id: [3, 5] }), 'skip_layers.json': json(sets) }),
      (checkpoint) => {
        assert.deepEqual(checkpoint.config.eosTokenIds, [3, 5])
        assert.deepEqual(checkpoint.skip, sets.m)
      },
    )
    await using(files({ 'skip_layers.json': json({ a: sets.m, b: sets.m }) }), ({ skip }) =>
      assert.equal(skip, undefined),
    )
  })

  it('lists tensors of types that weights do not have, which throw when they are used', () =>
    using(
      files({
        'model.safetensors': safetensors(
          { ids: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } },
          new Uint8Array(8),
        ),
      }),
      async ({ tensors }) => {
        const tensor = tensors.get('ids')!
        assert.deepEqual(tensor.shape, [1])
        await fails(() => tensor.dtype, 'ERR_DTYPE', /"ids" is I64/)
        await fails(() => tensor.read(), 'ERR_DTYPE', /"ids" is I64/)
      },
    ))

  it('refuses a sharded checkpoint whose index leads out of the folder or names a missing shard', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drafthorse-checkpoint-'))
    try {
      const model = join(folder, 'm')
      await cp(join(hf, 'llama3-rope-sharded-f16'), model, { recursive: true })
      await cp(join(model, 'model-00001-of-00003.safetensors'), join(folder, 'outside.safetensors'))
      const path = join(model, 'model.safetensors.index.json')
      const index = JSON.parse(readFileSync(path, 'utf8'))
      const point = (to: string) =>
        writeFile(path, JSON.stringify({ weight_map: { ...index.weight_map, 'model.embed_tokens.weight': to } }))
      for (const to of ['../outside.safetensors', join(folder, 'outside.safetensors'), '..\\outside.safetensors']) {
        await point(to)
        await fails(
          () => openCheckpoint(model),
          'ERR_MODEL_FORMAT',
          /tensor "model\.embed_tokens\.weight", names the file/,
        )
      }
      await point('model-00009-of-00003.safetensors')
      await fails(() => openCheckpoint(model), 'ERR_NOT_FOUND', /"model-00009-of-00003\.safetensors"/)
      await point('model-00003-of-00003.safetensors')
      await fails(() => openCheckpoint(model), 'ERR_MODEL_FORMAT', /which does not have it/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  for (const name of ['sha256-abc', 'q.bin']) {
    it(`tells a GGUF file by its first bytes, whatever its name: ${name}`, async () => {
      const bytes = readFileSync(repository('test/oracles/gguf/qwen2.gguf'))
      await using(memoryFiles('m', { [name]: bytes }, { file: name }), ({ format, config }) =>
        assert.deepEqual([format, config.modelType], ['gguf', 'qwen2']),
      )
    })
  }

  for (const [kind, start] of Object.entries({
    'an archive': [0x50, 0x4b, 3, 4, 0],
    'a pickle': [0x80, 2, 0x8a, 10, 0x6c],
  })) {
    it(`says that ${kind} of PyTorch is to be converted`, () =>
      fails(
        () => openCheckpoint(files({ 'm.bin': Uint8Array.from(start) }, 'm.bin')),
        'ERR_MODEL_FORMAT',
        /m\.bin is a PyTorch checkpoint; convert .* to safetensors/,
      ))
  }

  it('takes no llama2.c model for a file of PyTorch by its width', async () => {
    const header = new Uint8Array(Int32Array.of(128, 384, 1, 2, 2, 8, 4).buffer)
    await fails(() => openCheckpoint(files({ 'm.bin': header }, 'm.bin')), 'ERR_MODEL_FORMAT', /a llama2\.c file with/)
  })

  it('leaves no file open when it fails, and none after close', async () => {
    let open = 0
    const counting = (inner: ModelFiles): ModelFiles => ({
      ...inner,
      async open(path) {
        const source = await inner.open(path)
        if (!source) return undefined
        open++
        return {
          ...source,
          async close() {
            open--
            await source.close()
          },
        }
      },
    })
    const llama2c = readFileSync(repository('test/oracles/stories260K/stories260K.bin'))
    for (const broken of [
      files({ 'model.safetensors': json('') }),
      files({ 'config.json': json([]) }),
      files({ 'tokenizer.json': json({}) }),
      files({ 'tokenizer.model': json('x') }),
      files({ 'chat_template.json': json('[]') }),
      files({ 'm.bin': json('x') }, 'm.bin'),
      files({ 'm.bin': json('PK\u0003\u0004') }, 'm.bin'),
      files({ 'm.bin': llama2c, 'tokenizer.bin': json('x') }, 'm.bin'),
      files({ 'm.bin': llama2c, 'skip_layers.json': json('x') }, 'm.bin'),
    ]) {
      await fails(() => openCheckpoint(counting(broken)), 'ERR_MODEL_FORMAT', /./)
      assert.equal(open, 0)
    }
    for (const good of [files(), files({ 'm.bin': llama2c }, 'm.bin')]) {
      const checkpoint = await openCheckpoint(counting(good))
      assert.equal(open, 1)
      await checkpoint.close()
      assert.equal(open, 0)
    }
  })
})
