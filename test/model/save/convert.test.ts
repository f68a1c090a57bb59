// Models written anew: what comes back is what was read, and nothing is left where writing fails.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel } from 'drafthorse'
import { convert, dequantize } from '../../../engine/convert.ts'
import { type Checkpoint, openCheckpoint } from '../../../model/load/checkpoint.ts'
import { memoryFiles } from '../../../model/load/files.ts'
import { asObject, type JsonObject, readJson } from '../../../model/load/json.ts'
import { type ConvertOptions, convertModel } from '../../../model/save/convert.ts'
import { memorySink } from '../../../model/save/sink.ts'
import { tensorShapes } from '../../../model/weights.ts'
import { folderOf, stories260K } from '../../checkpoints.ts'
import { fails, json, readSafetensors, repository } from '../load/fixtures.ts'
import { packedBytes, packedConfig, packedModel } from './packed.ts'

type Files = ReturnType<typeof memoryFiles>
const stories = repository('models/stories')

/** Converts in memory; the result can be opened. */
async function converted(source: string | Files, options: ConvertOptions = {}): Promise<Files> {
  const sink = memorySink('made')
  await convertModel(source, sink, options)
  return memoryFiles('made', sink.files, options.format === 'gguf' ? { file: 'made.gguf' } : {})
}

async function opened<R>(source: string | Files, body: (checkpoint: Checkpoint) => Promise<R>): Promise<R> {
  const checkpoint = await openCheckpoint(source)
  try {
    return await body(checkpoint)
  } finally {
    await checkpoint.close()
  }
}

async function jsonOf(files: Files, path: string): Promise<JsonObject> {
  return asObject(await readJson(files, path), path)
}

/** Every tensor as f32, by name. */
function valuesOf(source: string | Files): Promise<Map<string, Uint8Array>> {
  return opened(source, async ({ tensors, config }) => {
    const values = new Map<string, Uint8Array>()
    for (const name of tensorShapes(config).keys()) {
      const tensor = tensors.get(name)!
      values.set(name, Uint8Array.from(convert(await tensor.read(), tensor.dtype, 'f32')))
    }
    return values
  })
}

const configOf = (source: string | Files) => opened(source, async ({ config }) => config)
const typesOf = (source: string | Files) =>
  opened(source, async ({ tensors }) => new Map([...tensors].map(([name, { dtype }]) => [name, dtype])))

describe('convertModel', () => {
  const checkpoints = [
    'llama2-f32',
    'gqa-tied-bf16',
    'wide-head-bias-f32',
    'linear-rope-deep-bf16',
    'llama3-rope-sharded-f16',
    'mistral-window-16',
    'qwen2',
    'qwen3',
  ] as const

  for (const name of checkpoints) {
    const source = folderOf(name)
    it(`gives ${name} back from GGUF, bit for bit, with its config`, async () => {
      const there = await converted(source, { format: 'gguf' })
      const back = await converted(there)
      assert.deepEqual(await valuesOf(there), await valuesOf(source))
      assert.deepEqual(await valuesOf(back), await valuesOf(source))
      const { storedDType: _, rmsNormEps: __, ...config } = await configOf(source)
      for (const files of [there, back]) {
        const { storedDType, rmsNormEps, ...rest } = await configOf(files)
        assert.deepEqual(rest, config)
      }
      assert.equal((await configOf(back)).rmsNormEps, (await configOf(source)).rmsNormEps)
      assert.equal((await configOf(back)).storedDType, (await configOf(source)).storedDType)
      // Matrices keep their very type.
      const [first, last] = [await typesOf(source), await typesOf(back)]
      const matrix = 'model.layers.0.mlp.up_proj.weight'
      assert.equal(last.get(matrix), first.get(matrix))
    })
  }

  it('gives a safetensors file whose tensors are aligned, and that others read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
    try {
      await convertModel(await converted(folderOf('gqa-tied-bf16'), { format: 'gguf' }), join(folder, 'out'))
      const bytes = await readFile(join(folder, 'out', 'model.safetensors'))
      const length = Number(bytes.readBigUInt64LE(0))
      assert.equal(length % 8, 0)
      const header = JSON.parse(bytes.toString('utf8', 8, 8 + length))
      assert.deepEqual(header.__metadata__, { format: 'pt' })
      const original = readSafetensors(join(folderOf('gqa-tied-bf16'), 'model.safetensors'))
      const read = readSafetensors(join(folder, 'out', 'model.safetensors'))
      assert.deepEqual([...read.keys()].sort(), [...original.keys()].sort())
      for (const [name, { bytes, dtype }] of read) {
        if (dtype === 'BF16') assert.deepEqual(bytes, original.get(name)!.bytes, name)
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('cuts safetensors into files of the size asked for, with an index', async () => {
    const source = folderOf('llama2-f32')
    const shards = await converted(source, { shardBytes: 200_000 })
    assert.ok(await shards.open('model.safetensors.index.json'))
    assert.equal(await shards.open('model.safetensors'), undefined)
    assert.deepEqual(await valuesOf(shards), await valuesOf(source))
  })

  it('rounds to the type asked for as the engine does', async () => {
    const source = folderOf('llama2-f32')
    const exact = await valuesOf(source)
    for (const dtype of ['bf16', 'f16', 'q8_0', 'q4_0', 'q4_1'] as const) {
      const format = dtype === 'bf16' ? 'safetensors' : 'gguf'
      const made = await converted(source, { format, dtype })
      for (const [name, bytes] of await valuesOf(made)) {
        const isNorm = name.includes('norm')
        const wanted = isNorm && format === 'gguf' ? exact.get(name)! : convert(exact.get(name)!, 'f32', dtype)
        const expected = isNorm && format === 'gguf' ? wanted : convert(wanted, dtype, 'f32')
        assert.deepEqual(bytes, Uint8Array.from(expected), `${dtype} ${name}`)
      }
    }
  })

  for (const dtype of ['q4_k', 'q6_k', 'q3_k', 'q2_k', 'q5_k', 'q5_0', 'q5_1', 'iq4_nl', 'iq4_xs', 'mxfp4'] as const) {
    it(`keeps ${dtype} in GGUF, writes its values elsewhere, and runs them without loss or as q8_0`, async () => {
      const source = await packedModel(dtype)
      const same = await converted(source, { format: 'gguf' })
      const name = 'model.layers.0.mlp.up_proj.weight'
      assert.equal((await typesOf(same)).get(name), dtype)
      assert.deepEqual(await valuesOf(same), await valuesOf(source))
      const wide = await converted(source)
      assert.equal((await typesOf(wide)).get(name), 'f32')
      const { bytes } = packedBytes(name, dtype)
      assert.deepEqual(new Float32Array((await valuesOf(wide)).get(name)!.buffer), dequantize(dtype, bytes))
      const ids = [1, 5, 2]
      await using asStored = await loadModel(source, { backend: 'wasm' })
      await using asF32 = await loadModel(wide, { backend: 'wasm' })
      const holds = dtype === 'q5_0' || dtype === 'iq4_nl' ? 'q8_0' : 'f32'
      assert.deepEqual(asStored.summary.stored, { [dtype]: 8, f32: 3 })
      assert.deepEqual(asStored.summary.running, holds === 'f32' ? { f32: 11 } : { q8_0: 8, f32: 3 })
      if (holds === 'f32') assert.deepEqual(await asStored.logits(ids), await asF32.logits(ids))
      await using small = await loadModel(source, { backend: 'wasm', dtype: 'q8_0' })
      await using rounded = await loadModel(wide, { backend: 'wasm', dtype: 'q8_0' })
      assert.deepEqual(small.summary.running, { q8_0: 8, f32: 3 })
      if (holds === 'f32') assert.deepEqual(await small.logits(ids), await rounded.logits(ids))
      assert.equal(packedConfig.vocabSize * ids.length, (await small.logits(ids)).length)
    })
  }

  it('keeps what a GGUF file says of itself, but for the type of its weights', async () => {
    const source = await converted(stories, { format: 'gguf' })
    const again = await converted(source, { format: 'gguf', dtype: 'q8_0' })
    await opened(source, (first) =>
      opened(again, async (second) => {
        assert.deepEqual([...second.gguf!.metadata.keys()], [...first.gguf!.metadata.keys()])
        for (const key of first.gguf!.metadata.keys()) {
          const [a, b] = [await first.gguf!.rawValue(key), await second.gguf!.rawValue(key)]
          if (key !== 'general.file_type') assert.deepEqual(b, a, key)
        }
        assert.equal(first.gguf!.metadata.get('general.file_type'), 32)
        assert.equal(second.gguf!.metadata.get('general.file_type'), 7)
      }),
    )
  })

  for (const [name, source] of [
    ['the embedded model', stories],
    ['a llama2.c model', stories260K],
  ] as const) {
    it(`keeps the tokenizer of ${name} on every way`, async () => {
      const texts = ['Once upon a time', ' Two  spaces,\n\ta line; 1234!', 'naïve 北京 🎉', '', "I'LL", '▁']
      const wanted = await opened(source, async ({ tokenizer }) => texts.map((text) => tokenizer!.encode(text)))
      const gguf = await converted(source, { format: 'gguf' })
      const folder = await converted(source)
      const ways = [gguf, folder, await converted(gguf), await converted(await converted(gguf), { format: 'gguf' })]
      for (const [i, files] of ways.entries()) {
        const found = await opened(files, async ({ tokenizer }) => texts.map((text) => tokenizer!.encode(text)))
        // GGUF spells spaces as SentencePiece does, so that a text cannot hold that sign itself.
        const count = source === stories260K && i !== 1 ? texts.length - 1 : texts.length
        assert.deepEqual(found.slice(0, count), wanted.slice(0, count), `way ${i}`)
      }
    })
  }

  for (const name of ['prefix', 'bare'] as const) {
    it(`keeps the tokenizer of a tokenizer.model on every way: ${name}`, async () => {
      const entries: Record<string, Uint8Array> = {}
      for (const [file, path] of [
        ['config.json', join(stories, 'config.json')],
        ['model.safetensors', join(stories, 'model.safetensors')],
        ['tokenizer.model', repository(`test/oracles/sentencepiece/${name}.model`)],
      ] as const) {
        entries[file] = Uint8Array.from(await readFile(path))
      }
      const source = memoryFiles('x', entries)
      const texts = ['Once upon a time', '  two  spaces; 1234!', 'naïve 北京 🎉']
      const idsOf = (files: Files) =>
        opened(files, async ({ tokenizer }) => texts.map((text) => tokenizer!.encode(text)))
      const gguf = await converted(source, { format: 'gguf' })
      for (const files of [gguf, await converted(source), await converted(gguf)]) {
        assert.deepEqual(await idsOf(files), await idsOf(source))
      }
    })
  }

  it('brings several chat templates along by their names', async () => {
    const entries: Record<string, Uint8Array> = {}
    for (const file of ['config.json', 'model.safetensors', 'tokenizer.json']) {
      entries[file] = Uint8Array.from(await readFile(join(stories, file)))
    }
    const templates = [
      { name: 'default', template: 'a' },
      { name: 'tool_use', template: 'b' },
    ]
    entries['tokenizer_config.json'] = json({ chat_template: templates })
    const gguf = await converted(memoryFiles('x', entries), { format: 'gguf' })
    const metadata = await opened(gguf, async ({ gguf }) => gguf!.metadata)
    assert.equal(metadata.get('tokenizer.chat_template'), 'a')
    assert.equal(metadata.get('tokenizer.chat_template.tool_use'), 'b')
    const config = jsonOf(await converted(gguf), 'tokenizer_config.json')
    assert.deepEqual((await config).chat_template, templates)
    assert.equal((await config).eos_token, '<|endoftext|>')
  })

  it('brings the chat template along from whichever file the model chats by', async () => {
    const entries: Record<string, Uint8Array> = {
      'tokenizer_config.json': json({ chat_template: 'old' }),
      'chat_template.json': json({ chat_template: 'new' }),
    }
    for (const file of ['config.json', 'model.safetensors', 'tokenizer.json']) {
      entries[file] = Uint8Array.from(await readFile(join(stories, file)))
    }
    const source = memoryFiles('x', entries)
    assert.equal((await jsonOf(await converted(source), 'tokenizer_config.json')).chat_template, 'new')
    const gguf = await converted(source, { format: 'gguf' })
    const own = await gguf.open('made.gguf')
    const beside = {
      'made.gguf': Uint8Array.from(await own!.read(0, own!.size)),
      'chat_template.jinja': new TextEncoder().encode('beside'),
    }
    for (const [files, template] of [
      [gguf, 'new'],
      [memoryFiles('made', beside, { file: 'made.gguf' }), 'new'],
    ] as const) {
      const again = await converted(files, { format: 'gguf' })
      assert.deepEqual(await opened(again, async ({ chat }) => chat?.templates), { default: template })
    }
  })

  it('brings the chat template and the skip set along', async () => {
    const template = '{% for message in messages %}{{ message.content }}{% endfor %}'
    const bytes = async (file: string): Promise<Uint8Array> => Uint8Array.from(await readFile(join(stories, file)))
    const entries: Record<string, Uint8Array> = { 'chat_template.jinja': new TextEncoder().encode(template) }
    for (const file of ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']) {
      entries[file] = await bytes(file)
    }
    entries['skip_layers.json'] = await bytes('skip_layers.json')
    const source = memoryFiles('stories', entries)
    const gguf = await converted(source, { format: 'gguf' })
    const metadata = await opened(gguf, async ({ gguf }) => gguf!.metadata)
    assert.equal(metadata.get('tokenizer.chat_template'), template)
    assert.equal((await jsonOf(await converted(gguf), 'tokenizer_config.json')).chat_template, template)
    const skip = await opened(source, async ({ skip }) => skip)
    assert.ok(skip)
    assert.deepEqual(await opened(await converted(source), async ({ skip }) => skip), skip)
  })

  it('tells each tensor as it is written', async () => {
    const told: number[] = []
    let all = 0
    await convertModel(folderOf('llama3-rope-sharded-f16'), memorySink('x'), {
      format: 'gguf',
      onProgress({ written, total }) {
        told.push(written)
        all = total
      },
    })
    assert.deepEqual(
      told,
      Array.from({ length: all }, (_, i) => i + 1),
    )
  })

  it('refuses what cannot be asked for, and values that a type has no room for', async () => {
    const source = folderOf('llama2-f32')
    const run = (options: object) => convertModel(source, memorySink('x'), options)
    await fails(() => run({ dtype: 'q8_0' }), 'ERR_ARGUMENT', /safetensors is not written as q8_0; .* f32, f16, bf16/)
    await fails(() => run({ format: 'onnx' }), 'ERR_ARGUMENT', /"onnx"; known are safetensors, gguf, tfjs/)
    await fails(() => run({ format: 'gguf', dtype: 'uint8' }), 'ERR_ARGUMENT', /gguf is not written as uint8/)
    const large = await packedModel('bf16')
    const entry = await large.open('packed.gguf')
    const bytes = Uint8Array.from(await entry!.read(0, entry!.size))
    new DataView(bytes.buffer).setUint16(bytes.length - 256 * 4 - 2, 0x7f7f, true) // the last value before the last norm
    const files = memoryFiles('large', { 'large.gguf': bytes }, { file: 'large.gguf' })
    for (const options of [{ dtype: 'f16' }, { format: 'gguf', dtype: 'q8_0' }] as const) {
      const sink = memorySink('x')
      await fails(
        () => convertModel(files, sink, options),
        'ERR_NUMERIC',
        /^NumericError: model\.[\w.]+: .*another type/,
      )
      assert.deepEqual(sink.files, {})
    }
  })

  describe('on disk', () => {
    let folder = ''
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
    })
    afterEach(() => rm(folder, { recursive: true, force: true }))
    const source = folderOf('gqa-tied-bf16')

    it('replaces a GGUF file, or a folder with a model, only where it is told to', async () => {
      const file = join(folder, 'x.gguf')
      await writeFile(file, 'GGUF of old')
      await fails(() => convertModel(source, file), 'ERR_ARGUMENT', /x\.gguf is there already; --force/)
      assert.equal(await readFile(file, 'utf8'), 'GGUF of old')
      await convertModel(source, file, { force: true })
      assert.deepEqual(await valuesOf(file), await valuesOf(source))
      const out = join(folder, 'model')
      await mkdir(out)
      await convertModel(file, out) // an empty folder is nobody's
      await writeFile(join(out, 'LICENSE'), '')
      await fails(() => convertModel(file, out), 'ERR_ARGUMENT', /model is there already/)
      await convertModel(file, out, { force: true })
      assert.ok(!(await readdir(out)).includes('LICENSE'))
      await convertModel(file, out, { force: true, format: 'tfjs' })
      await convertModel(file, out, { force: true, shardBytes: 200_000 }) // in place of TensorFlow.js's files
      assert.ok((await readdir(out)).includes('model.safetensors.index.json'))
      assert.deepEqual((await readdir(folder)).sort(), ['model', 'x.gguf'])
    })

    it('never replaces what holds anything but a model', async () => {
      const force = { force: true }
      const home = join(folder, 'home')
      await mkdir(join(home, 'src'), { recursive: true })
      await writeFile(join(home, 'src', 'thesis.txt'), 'mine')
      await writeFile(join(home, 'config.json'), '{}')
      await writeFile(join(home, 'model.safetensors'), '')
      await fails(() => convertModel(source, home, force), 'ERR_ARGUMENT', /home holds "src", .* not replaced/)
      assert.equal(await readFile(join(home, 'src', 'thesis.txt'), 'utf8'), 'mine')
      await rm(join(home, 'src'), { recursive: true })
      await mkdir(join(home, 'tokenizer.json')) // a folder, whatever its name
      await fails(() => convertModel(source, home, force), 'ERR_ARGUMENT', /holds "tokenizer\.json"/)
      await rm(join(home, 'tokenizer.json'), { recursive: true })
      await rm(join(home, 'model.safetensors'))
      await fails(
        () => convertModel(source, home, force),
        'ERR_ARGUMENT',
        /holds no model \(no weights\).* not replaced/,
      )
      assert.deepEqual(await readdir(home), ['config.json'])

      const file = join(folder, 'x.gguf')
      for (const content of ['GGU', 'my letters']) {
        await writeFile(file, content)
        await fails(() => convertModel(source, file, force), 'ERR_ARGUMENT', /is no GGUF file, and is not replaced/)
        assert.equal(await readFile(file, 'utf8'), content)
      }
      assert.deepEqual((await readdir(folder)).sort(), ['home', 'x.gguf'])
    })

    it('never replaces what came to its place while it was written', async () => {
      const file = join(folder, 'x.gguf')
      const onProgress = () => writeFileSync(file, 'mine')
      await fails(() => convertModel(source, file, { onProgress }), 'ERR_ARGUMENT', /is there already/)
      assert.equal(await readFile(file, 'utf8'), 'mine')
      assert.deepEqual(await readdir(folder), ['x.gguf'])
    })

    it('refuses an output of another kind, inside nothing, or in place of what is read', async () => {
      await mkdir(join(folder, 'a.gguf'))
      await fails(() => convertModel(source, join(folder, 'a.gguf')), 'ERR_ARGUMENT', /is a folder; .* to a file/)
      await writeFile(join(folder, 'b'), '')
      await fails(() => convertModel(source, join(folder, 'b')), 'ERR_ARGUMENT', /is a file; .* to a folder/)
      await fails(
        () => convertModel(source, join(folder, 'c', 'd')),
        'ERR_NOT_FOUND',
        /there is no folder .*c to write/,
      )
      await fails(() => convertModel(source, ''), 'ERR_ARGUMENT', /cannot write to ""/)
      const model = join(folder, 'model')
      await convertModel(source, model)
      const link = join(folder, 'link')
      await symlink(model, link, 'junction')
      for (const [from, to] of [
        [model, model],
        [join(model, 'model.safetensors'), model],
        [link, model],
        [model, link],
      ] as const) {
        await fails(() => convertModel(from, to, { force: true }), 'ERR_ARGUMENT', /is what is read/)
      }
      assert.deepEqual(await valuesOf(model), await valuesOf(source))
    })

    it('leaves nothing behind when it is aborted or fails, and what was there before', async () => {
      const file = join(folder, 'x.gguf')
      await writeFile(file, 'GGUF of old')
      for (const format of ['gguf', 'safetensors'] as const) {
        const controller = new AbortController()
        const output = format === 'gguf' ? file : join(folder, 'out')
        const options: ConvertOptions = {
          format,
          force: true,
          signal: controller.signal,
          onProgress: ({ written }) => void (written === 3 && controller.abort(new Error('enough'))),
        }
        await fails(() => convertModel(source, output, options), 'ERR_ABORTED', /aborted/)
      }
      assert.deepEqual(await readdir(folder), ['x.gguf'])
      assert.equal(await readFile(file, 'utf8'), 'GGUF of old')
    })
  })
})
