// A model's id: what it covers, what it does not, and how little it reads.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { loadModel } from 'drafthorse'
import { memoryFiles, openCheckpoint, tensorShapes } from 'drafthorse/model'
import { type CheckpointName, checkpoints, edited, folderOf, oracle, stories260K } from '../checkpoints.ts'
import { readSafetensors, safetensors } from './load/fixtures.ts'

async function idOf(source: Parameters<typeof openCheckpoint>[0]): Promise<string> {
  const { id, close } = await openCheckpoint(source)
  await close()
  assert.match(String(id), /^[0-9a-f]{64}$/)
  return String(id)
}

/** The files of a checkpoint with all its tensors in one, these values of one byte apart. */
function whole(name: CheckpointName, change: { tensor?: string; at?: number; config?: object } = {}) {
  const folder = folderOf(name)
  const shards = readdirSync(folder).filter((file) => /^model.*\.safetensors$/.test(file))
  const header: Record<string, unknown> = {}
  const parts: Uint8Array[] = []
  let at = 0
  for (const [key, { dtype, shape, bytes }] of shards.flatMap((file) => [...readSafetensors(`${folder}/${file}`)])) {
    if (key === change.tensor) bytes[change.at!]! ^= 1
    header[key] = { dtype, shape, data_offsets: [at, at + bytes.length] }
    parts.push(bytes)
    at += bytes.length
  }
  const config = { ...JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')), ...change.config }
  return memoryFiles('another name', {
    'config.json': Buffer.from(JSON.stringify(config)),
    'model.safetensors': safetensors(header, Buffer.concat(parts)),
  })
}

describe("a model's id", () => {
  it('is the sha256 of the config beside the shapes, and of names, shapes and first 4 KiB of its tensors', async () => {
    const sha256 = (content: Uint8Array | string) => createHash('sha256').update(content).digest('hex')
    const { id, config, close } = await openCheckpoint(folderOf('mistral-window-16'))
    await close()
    const stored = readSafetensors(`${folderOf('mistral-window-16')}/model.safetensors`)
    const lines = [...tensorShapes(config).keys()].sort().map((name) => {
      const { shape, bytes } = stored.get(name)!
      return JSON.stringify([name, shape, sha256(bytes.subarray(0, 4096))])
    })
    const head = ['drafthorse/model@1', [4, 2], 1e-6, 10000, { type: 'default' }, 16]
    assert.equal(id, sha256([JSON.stringify(head), ...lines].join('\n')))
  })

  it('is the same wherever the weights lie: in shards or in one file, in memory or on disk, under any name', async () => {
    const name = 'llama3-rope-sharded-f16'
    const id = await idOf(folderOf(name))
    assert.equal(await idOf(whole(name)), id)
    assert.equal(await idOf(await edited(name, { max_position_embeddings: 64, eos_token_id: 5, dtype: null })), id)
    await using model = await loadModel(folderOf(name), { backend: 'reference', dtype: 'q8_0' })
    assert.equal(model.id, id)
  })

  it('differs from model to model, from format to format, and with a value, a tensor or a key of the config', async () => {
    const ids = await Promise.all([
      ...checkpoints.map((name) => idOf(folderOf(name))),
      ...['gqa-tied-bf16', 'qwen2', 'llama3-rope-sharded-f16'].map((name) => idOf(oracle(`gguf/${name}.gguf`))),
      idOf(stories260K),
      idOf('stories'),
      idOf(whole('qwen2', { tensor: 'model.layers.1.mlp.up_proj.weight', at: 4095 })),
      idOf(whole('qwen2', { tensor: 'model.norm.weight', at: 0 })),
      idOf(whole('qwen2', { config: { rope_parameters: { rope_theta: 5e5 } } })),
      idOf(whole('qwen2', { config: { num_attention_heads: 8, head_dim: 8 } })),
      idOf(whole('qwen2', { config: { rms_norm_eps: 1e-5 } })),
      idOf(whole('mistral', { config: { sliding_window: 32 } })),
    ])
    assert.equal(new Set(ids).size, ids.length)
    assert.equal(ids.at(checkpoints.indexOf('qwen2')), await idOf(whole('qwen2')))
    // What lies behind the first 4 KiB is not covered.
    assert.equal(
      await idOf(whole('qwen2', { tensor: 'model.layers.1.mlp.up_proj.weight', at: 4096 })),
      await idOf(whole('qwen2')),
    )
  })

  it('reads no more than 4 KiB of a tensor, and leaves out what is not run', async () => {
    const files = await edited('llama2-f32', {})
    const sizes: number[] = []
    const watching = {
      ...files,
      async open(path: string) {
        const source = await files.open(path)
        if (!source || path !== 'model.safetensors') return source
        return {
          ...source,
          read(offset: number, length: number) {
            sizes.push(length)
            return source.read(offset, length)
          },
        }
      },
    }
    const id = await idOf(watching)
    const [, , ...ofTensors] = sizes // the header's length, and the header
    assert.equal(ofTensors.length, 39)
    assert.ok(ofTensors.every((size) => size <= 4096))

    const stored = readSafetensors(`${folderOf('llama2-f32')}/model.safetensors`)
    assert.ok(stored.size === 39)
    const entries: [string, { dtype: string; shape: readonly number[]; bytes: Uint8Array }][] = [...stored]
    entries.push([
      'model.layers.0.self_attn.rotary_emb.inv_freq',
      { dtype: 'I64', shape: [1], bytes: new Uint8Array(8) },
    ])
    let at = 0
    const header = Object.fromEntries(
      entries.map(([name, { dtype, shape, bytes }]) => {
        const begin = at
        at += bytes.length
        return [name, { dtype, shape, data_offsets: [begin, at] }]
      }),
    )
    const more = memoryFiles('m', {
      'config.json': readFileSync(`${folderOf('llama2-f32')}/config.json`),
      'model.safetensors': safetensors(header, Buffer.concat(entries.map(([, { bytes }]) => bytes))),
    })
    assert.equal(await idOf(more), id)
  })

  it('is undefined where there is no WebCrypto', async () => {
    const { crypto } = globalThis
    Object.defineProperty(globalThis, 'crypto', { value: {}, configurable: true })
    try {
      await using model = await loadModel(folderOf('qwen3'), { backend: 'reference' })
      assert.equal(model.id, undefined)
    } finally {
      Object.defineProperty(globalThis, 'crypto', { value: crypto, configurable: true })
    }
  })
})
