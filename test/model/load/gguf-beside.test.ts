// What a GGUF file says of its texts, beside what stands in its folder, which may be another model's.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { loadModel } from 'drafthorse'
import { type Checkpoint, openCheckpoint } from '../../../model/load/checkpoint.ts'
import { type ModelFiles, memoryFiles, memorySource } from '../../../model/load/files.ts'
import { parseGguf } from '../../../model/load/gguf.ts'
import { convertModel } from '../../../model/save/convert.ts'
import { floatsValue, textsValue, textValue, wholesValue, wholeValue, writeGguf } from '../../../model/save/gguf.ts'
import { memorySink } from '../../../model/save/sink.ts'
import { fails, json, repository } from './fixtures.ts'

const bare = Uint8Array.from(readFileSync(repository('test/oracles/gguf/gqa-tied-bf16.gguf')))
const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`)

/** The model of a GGUF file with more metadata. */
async function withMetadata(more: Readonly<Record<string, Uint8Array>>): Promise<Uint8Array> {
  const { metadata, tensors, rawValue } = await parseGguf(memorySource('x.gguf', bare))
  const values = new Map<string, Uint8Array>()
  for (const key of metadata.keys()) values.set(key, await rawValue(key))
  for (const [key, value] of Object.entries(more)) values.set(key, value)
  const sink = memorySink('x')
  const types = { F32: 'f32', BF16: 'bf16' } as const
  const outgoing = [...tensors.values()].map(({ name, shape, type, byteLength, read }) => ({
    name,
    shape,
    dtype: types[type as keyof typeof types], // what the file has
    byteLength,
    async *pieces() {
      yield await read()
    },
  }))
  await writeGguf(await sink.create('x.gguf'), { metadata: values, tensors: outgoing, onTensor() {} })
  await sink.finish()
  return sink.files['x.gguf']!
}

const tokens = ['<unk>', '<s>', '</s>', ...bytes, 'a', 'b']
const known = {
  'tokenizer.ggml.model': textValue('llama'),
  'tokenizer.ggml.tokens': textsValue(tokens),
  'tokenizer.ggml.token_type': wholesValue([2, 3, 3, ...bytes.map(() => 6), 1, 1]),
  'tokenizer.ggml.scores': floatsValue(tokens.map(() => 0)),
  'tokenizer.ggml.bos_token_id': wholeValue(1),
}
const unknown = {
  'tokenizer.ggml.model': textValue('gpt2'),
  'tokenizer.ggml.pre': textValue('own'),
  'tokenizer.ggml.tokens': textsValue(tokens),
}

const stranger = {
  'tokenizer.json': json({ model: { type: 'BPE', vocab: { z: 0 }, merges: [] } }),
  'tokenizer_config.json': json({ chat_template: 'the other' }),
}

async function folder(
  more: Readonly<Record<string, Uint8Array>>,
  beside: Readonly<Record<string, Uint8Array>> = {},
): Promise<ModelFiles> {
  return memoryFiles('x', { 'x.gguf': await withMetadata(more), ...beside }, { file: 'x.gguf' })
}

async function opened<R>(files: ModelFiles, run: (checkpoint: Checkpoint) => R | Promise<R>): Promise<R> {
  const checkpoint = await openCheckpoint(files)
  try {
    return await run(checkpoint)
  } finally {
    await checkpoint.close()
  }
}

describe('a GGUF file in a folder', () => {
  it('has its own tokenizer and chat template, whatever stands beside it', async () => {
    const own = { ...known, 'tokenizer.chat_template': textValue('its own') }
    await opened(await folder(own, stranger), async ({ tokenizer, chat, documents }) => {
      assert.equal(tokenizer?.vocabSize, tokens.length)
      assert.deepEqual(chat?.templates, { default: 'its own' })
      const { json } = (await documents()).tokenizer!
      assert.equal(Object.keys((json as { model: { vocab: object } }).model.vocab).length, tokens.length)
    })
  })

  for (const [name, metadata] of Object.entries({
    'has none': { 'tokenizer.ggml.model': textValue('none') },
    'has one of a kind that is not known': unknown,
  })) {
    it(`has the tokenizer and chat template beside it where it ${name}`, async () => {
      await opened(await folder(metadata, stranger), async ({ tokenizer, unknownTokenizer, chat, documents }) => {
        assert.deepEqual([tokenizer?.vocabSize, unknownTokenizer], [1, undefined])
        assert.deepEqual(chat?.templates, { default: 'the other' })
        assert.deepEqual((await documents()).tokenizer?.config, { chat_template: 'the other' })
      })
    })
  }

  it('runs on ids without a tokenizer that is known, and says why there is none', async () => {
    const files = await folder({ ...unknown, 'tokenizer.chat_template': textValue('its own') })
    await using model = await loadModel(files, { backend: 'reference' })
    assert.deepEqual([model.hasTokenizer, model.hasChat], [false, false])
    assert.equal((await model.logits([1, 2])).length, 2 * model.config.vocabSize)
    const why = /x\.gguf cuts texts in the way "own".*tokenizer\.json beside it/
    await fails(() => model.tokenizer, 'ERR_NOT_FOUND', why)
    await fails(() => model.chat, 'ERR_NOT_FOUND', why)
  })

  it('is written to GGUF with its tokenizer, whatever kind that is', async () => {
    const sink = memorySink('made')
    const { hasTokenizer } = await convertModel(await folder(unknown), sink, { format: 'gguf' })
    assert.equal(hasTokenizer, true)
    const { metadata } = await parseGguf(memorySource('made.gguf', sink.files['made.gguf']!))
    assert.equal(metadata.get('tokenizer.ggml.pre'), 'own')
    const other = await convertModel(await folder(unknown), memorySink('made'))
    assert.equal(other.hasTokenizer, false)
  })
})
