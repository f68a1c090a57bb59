// Where chat templates are found: in the files beside the weights, as transformers looks for them, and in GGUF files.
import assert from 'node:assert/strict'
import { ggufChatSource, readChatSource } from '../../../model/load/chat-template.ts'
import { memoryFiles } from '../../../model/load/files.ts'
import type { GgufArray, GgufFile, GgufScalar } from '../../../model/load/gguf.ts'
import { fails, json } from './fixtures.ts'

const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value))
const read = (entries: Record<string, Uint8Array>) => readChatSource(memoryFiles('m', entries))

describe("a folder's chat template", () => {
  const tokens = { bos_token: '<s>', eos_token: { content: '</s>', lstrip: false }, pad_token: null, unk_token: 5 }
  const named = [
    { name: 'default', template: 'a' },
    { name: 'tool_use', template: 'b' },
  ]

  it('stands in tokenizer_config.json, alone or with others, with the tokens that it writes', async () => {
    const one = await read({ 'tokenizer_config.json': json({ ...tokens, chat_template: 'a' }) })
    assert.deepEqual(one?.templates, { default: 'a' })
    assert.deepEqual(one?.tokens, { bos_token: '<s>', eos_token: '</s>' })
    const two = await read({ 'tokenizer_config.json': json({ chat_template: named }) })
    assert.deepEqual(two?.templates, { default: 'a', tool_use: 'b' })
  })

  it('or in a file of its own, which comes first', async () => {
    const config = { 'tokenizer_config.json': json({ ...tokens, chat_template: 'a' }) }
    const ofJson = await read({ ...config, 'chat_template.json': json({ chat_template: 'b' }) })
    assert.deepEqual([ofJson?.templates, ofJson?.tokens['bos_token']], [{ default: 'b' }, '<s>'])
    const ofJinja = await read({ ...config, 'chat_template.jinja': text('c \u00e9\n') })
    assert.deepEqual([ofJinja?.templates, ofJinja?.tokens['bos_token']], [{ default: 'c \u00e9\n' }, '<s>'])
  })

  it('is none where there is none', async () => {
    assert.equal(await read({}), undefined)
    assert.equal(await read({ 'tokenizer_config.json': json({ chat_template: null }) }), undefined)
  })

  const refused: Record<string, [entries: Record<string, Uint8Array>, message: RegExp]> = {
    'that is no text': [{ 'tokenizer_config.json': json({ chat_template: 5 }) }, /is 5; expected a template's text/],
    'without a name': [{ 'tokenizer_config.json': json({ chat_template: [{ template: 'a' }] }) }, /has no name/],
    'in a config that is none': [{ 'tokenizer_config.json': json([]) }, /expected a JSON object/],
    'longer than any': [{ 'chat_template.jinja': new Uint8Array(1_000_001) }, /has 1000001 bytes; at most 1000000/],
  }
  for (const [name, [entries, message]] of Object.entries(refused)) {
    it(`is refused: ${name}`, () => fails(() => read(entries), 'ERR_MODEL_FORMAT', message))
  }
})

describe("a GGUF file's chat template", () => {
  const list: GgufArray = { length: 3, read: async () => ['<unk>', '<s>', '</s>'] }
  const file = (entries: Record<string, GgufScalar | GgufArray>): GgufFile => ({
    metadata: new Map(Object.entries(entries)),
    tensors: new Map(),
  })

  it('stands in its metadata, with others by name, and its tokens in the vocabulary', async () => {
    const found = await ggufChatSource(
      file({
        'tokenizer.ggml.tokens': list,
        'tokenizer.ggml.bos_token_id': 1,
        'tokenizer.ggml.eos_token_id': 2,
        'tokenizer.ggml.unknown_token_id': 0,
        'tokenizer.ggml.padding_token_id': 9,
        'tokenizer.chat_template': 'a',
        'tokenizer.chat_template.tool_use': 'b',
      }),
      'x.gguf',
    )
    assert.deepEqual(found?.templates, { default: 'a', tool_use: 'b' })
    assert.deepEqual(found?.tokens, { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' })
    assert.equal(await ggufChatSource(file({}), 'x.gguf'), undefined)
  })

  it('is refused where it is no text', () =>
    fails(() => ggufChatSource(file({ 'tokenizer.chat_template': 5 }), 'x.gguf'), 'ERR_MODEL_FORMAT', /x\.gguf is 5/))
})
