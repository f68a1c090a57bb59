// GGUF that is written here, in the hands of llama.cpp: it loads, makes the same tokens of texts, and says the same.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate, loadModel, type Model } from 'drafthorse'
import { openLlamaCpp } from '../../../bench/llama-cpp.ts'
import { type ModelFiles, memorySource } from '../../../model/load/files.ts'
import { openFiles } from '../../../model/load/files-node.ts'
import { convertModel } from '../../../model/save/convert.ts'
import { folderOf, stories260K } from '../../checkpoints.ts'
import { golden } from '../../golden.ts'
import { skipUnless } from '../../skip.ts'
import { repository } from '../load/fixtures.ts'
import { byteTokenizer } from './byte-tokenizer.ts'

const peers = repository('bench/peers')
const isInstalled = existsSync(join(peers, 'node_modules/node-llama-cpp/dist/index.js'))

/** What llama.cpp makes of texts, and how it goes on greedily after ids. */
async function llamaCpp(
  file: string,
  { texts, prompts, maxNewTokens }: { texts: readonly string[]; prompts: readonly number[][]; maxNewTokens: number },
): Promise<{ encoded: number[][]; continued: (readonly (number | undefined)[])[] }> {
  const before = process.cwd()
  process.chdir(peers)
  try {
    const llama = await openLlamaCpp(file, { contextSize: 256 })
    try {
      const continued: (readonly (number | undefined)[])[] = []
      for (const ids of prompts) continued.push((await llama.decode(ids, { threads: 1, maxNewTokens })).tokens)
      return { encoded: texts.map((text) => llama.encode(text)), continued }
    } finally {
      await llama.dispose()
    }
  } finally {
    process.chdir(before)
  }
}

/**
 * Compares what llama.cpp says with what we say, up to the first token that is chosen by a narrow margin: llama.cpp rounds
 * activations in its own ways, which depend on the processor.
 */
async function assertSame(
  model: Model,
  prompt: readonly number[],
  theirs: readonly (number | undefined)[],
): Promise<void> {
  const options = { maxNewTokens: theirs.length, draft: 'none', ignoreEos: true } as const
  const { tokens } = await generate(model, prompt, options).result
  const { vocabSize } = model.config
  const logits = await model.logits([...prompt, ...tokens.slice(0, -1)])
  const margins = tokens.map((_, i) => {
    const start = (prompt.length - 1 + i) * vocabSize
    const [best, second] = logits.slice(start, start + vocabSize).sort((a, b) => b - a)
    return best! - second!
  })
  const narrow = margins.findIndex((margin) => margin < 0.1)
  const firm = narrow < 0 ? tokens.length : narrow
  assert.ok(firm >= 3, `only ${firm} tokens are firm`)
  assert.deepEqual(theirs.slice(0, firm), tokens.slice(0, firm))
}

/** A model with a tokenizer of bytes: llama.cpp through this package wants one. */
async function withTokenizer(path: string): Promise<ModelFiles> {
  const files = await openFiles(path)
  const content = new TextEncoder().encode(JSON.stringify(byteTokenizer()))
  return {
    ...files,
    open: async (file) => (file === 'tokenizer.json' ? memorySource(file, content) : files.open(file)),
  }
}

describe('GGUF in llama.cpp', function () {
  this.timeout(120_000)
  let folder = ''
  let examples: { prompt_ids: number[]; greedy_ids: number[]; margins: number[] }[]
  before(async function () {
    skipUnless(this, isInstalled, 'node-llama-cpp is not installed in bench/peers')
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
    examples = JSON.parse(await readFile(repository('test/oracles/stories/greedy.json'), 'utf8'))
  })
  after(async () => {
    if (folder) await rm(folder, { recursive: true })
  })

  const texts = [
    'Once upon a time, there was a dog.',
    '  two  spaces\n\n\tand a tab',
    "I'll SAY they're DON'T 1234567890",
    'café ünïcode 你好 🎉 \u00a0',
    '!!! ??? ... --- (a_b)',
  ]

  for (const dtype of ['f32', 'f16', 'q8_0', 'q4_0', 'q4_1'] as const) {
    it(`tells the stories of the embedded model in ${dtype}`, async () => {
      const file = join(folder, `stories-${dtype}.gguf`)
      await convertModel('stories', file, { dtype })
      await using model = await loadModel(file, { backend: 'wasm' })
      const prompts = examples.slice(0, 2).map(({ prompt_ids }) => prompt_ids)
      const { encoded, continued } = await llamaCpp(file, { texts, prompts, maxNewTokens: 12 })
      assert.deepEqual(
        encoded,
        texts.map((text) => model.tokenizer.encode(text, { addSpecialTokens: false })),
      )
      for (const [i, prompt] of prompts.entries()) await assertSame(model, prompt, continued[i]!)
    })
  }

  it('tells the golden stories from bf16', async () => {
    const file = join(folder, 'stories.gguf')
    await convertModel('stories', file)
    const prompts = examples.slice(0, 3).map(({ prompt_ids }) => prompt_ids)
    const { continued } = await llamaCpp(file, { texts: [], prompts, maxNewTokens: 40 })
    for (const [i, tokens] of continued.entries()) {
      const { greedy_ids, margins } = examples[i]!
      const narrow = margins.findIndex((margin, at) => margin < 0.1 || at === tokens.length)
      assert.ok(narrow >= 8, `only ${narrow} tokens are firm`)
      assert.deepEqual(tokens.slice(0, narrow), greedy_ids.slice(0, narrow))
      golden()
    }
  })

  it('reads texts as SentencePiece does, of a llama2.c model', async () => {
    const file = join(folder, 'stories260K.gguf')
    await convertModel(stories260K, file)
    await using model = await loadModel(stories260K, { backend: 'wasm' })
    const prompts = [model.tokenizer.encode('Once upon a time')]
    const { encoded, continued } = await llamaCpp(file, { texts, prompts, maxNewTokens: 40 })
    assert.deepEqual(
      encoded,
      texts.map((text) => model.tokenizer.encode(text, { addSpecialTokens: false })),
    )
    await assertSame(model, prompts[0]!, continued[0]!)
  })

  const others = ['mistral', 'qwen2', 'qwen3'] as const
  for (const name of ['llama3-rope-sharded-f16', 'linear-rope-deep-bf16', 'wide-head-bias-f32', ...others] as const) {
    it(`turns heads, and adds biases, as transformers does: ${name}`, async () => {
      const file = join(folder, `${name}.gguf`)
      await convertModel(await withTokenizer(folderOf(name)), file)
      await using model = await loadModel(folderOf(name), { backend: 'reference' })
      const prompt = Array.from({ length: 100 }, (_, i) => (i * 37 + 5) % 320) // past the context that was stretched
      const { continued } = await llamaCpp(file, { texts: [], prompts: [prompt], maxNewTokens: 12 })
      await assertSame(model, prompt, continued[0]!)
    })
  }
})
