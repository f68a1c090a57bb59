// llama2.c's weights, under Hugging Face's names and in its rope layout.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { memorySource } from '../../../model/load/files.ts'
import { parseLlama2c } from '../../../model/load/llama2c.ts'
import { fails, repository, watched } from './fixtures.ts'

const stories260K = readFileSync(repository('test/oracles/stories260K/stories260K.bin'))

interface Sizes {
  readonly dim: number
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  /** Negative for a classifier of its own. */
  readonly vocab: number
  readonly seqLen: number
}

const tiny: Sizes = { dim: 16, hidden: 12, layers: 2, heads: 2, kvHeads: 1, vocab: -5, seqLen: 3 }

/** A file with these sizes whose value at index i of the data is i. */
function numbered(sizes: Sizes): { bytes: Uint8Array; values: number } {
  const { dim, hidden, layers, heads, kvHeads, vocab, seqLen } = sizes
  const kv = (dim / heads) * kvHeads
  const perLayer = 2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * dim * hidden
  const values = Math.abs(vocab) * dim * (vocab < 0 ? 2 : 1) + layers * perLayer + dim + seqLen * (dim / heads)
  const header = Int32Array.of(dim, hidden, layers, heads, kvHeads, vocab, seqLen)
  const data = Float32Array.from({ length: values }, (_, i) => i)
  return { bytes: Uint8Array.from([...new Uint8Array(header.buffer), ...new Uint8Array(data.buffer)]), values }
}

const parse = (bytes: Uint8Array): ReturnType<typeof parseLlama2c> => parseLlama2c(memorySource('m.bin', bytes))

async function floats(tensor: { read(): Promise<Uint8Array> } | undefined): Promise<Float32Array> {
  assert.ok(tensor)
  return new Float32Array(Uint8Array.from(await tensor.read()).buffer)
}

describe('parseLlama2c', () => {
  it('reads the config of stories260K', async () => {
    const { config, tensors } = await parse(stories260K)
    assert.deepEqual(config, {
      modelType: 'llama',
      vocabSize: 512,
      hiddenSize: 64,
      intermediateSize: 172,
      numHiddenLayers: 5,
      numAttentionHeads: 8,
      numKeyValueHeads: 4,
      headDim: 8,
      maxPositionEmbeddings: 512,
      rmsNormEps: 1e-5,
      ropeTheta: 10000,
      ropeScaling: { type: 'default' },
      tieWordEmbeddings: true,
      attentionBias: false,
      attentionOutputBias: false,
      mlpBias: false,
      qkNorm: false,
      slidingWindow: undefined,
      bosTokenId: 1,
      eosTokenIds: [1, 2],
      storedDType: 'f32',
    })
    assert.equal(tensors.size, 2 + 5 * 9)
    assert.ok(!tensors.has('lm_head.weight'))
  })

  it('puts every tensor where run.c maps it, and uses every value once, the rope tables apart', async () => {
    const { bytes, values } = numbered(tiny)
    const { config, tensors } = await parse(bytes)
    assert.equal(config.tieWordEmbeddings, false)
    // The order of memory_map_weights in run.c; kv is 8, head size 8.
    const order: [name: string, size: number][] = [
      ['input_layernorm', 16],
      ['self_attn.q_proj', 256],
      ['self_attn.k_proj', 128],
      ['self_attn.v_proj', 128],
      ['self_attn.o_proj', 256],
      ['post_attention_layernorm', 16],
      ['mlp.gate_proj', 192],
      ['mlp.down_proj', 192],
      ['mlp.up_proj', 192],
    ]
    let at = 80
    const expected = new Map([['model.embed_tokens.weight', 0]])
    for (const [name, size] of order) {
      for (const layer of [0, 1]) {
        expected.set(`model.layers.${layer}.${name}.weight`, at)
        at += size
      }
    }
    expected.set('model.norm.weight', at)
    expected.set('lm_head.weight', at + 16 + 24)
    assert.equal(at + 16 + 24 + 80, values)
    assert.deepEqual([...tensors.keys()].sort(), [...expected.keys()].sort())
    for (const [name, start] of expected) {
      const read = await floats(tensors.get(name))
      assert.equal(
        read.length,
        tensors.get(name)!.shape.reduce((a, b) => a * b),
      )
      assert.deepEqual(
        [...read].sort((a, b) => a - b),
        Array.from(read, (_, i) => start + i),
        name,
      )
      if (!/[qk]_proj/.test(name)) assert.equal(read[1], start + 1)
    }
    assert.deepEqual(tensors.get('model.layers.1.mlp.down_proj.weight')?.shape, [16, 12])
  })

  it('moves the rows of q and k so that half-split rope gives the scores of interleaved rope', async () => {
    const { config, tensors } = await parse(stories260K)
    const { hiddenSize, headDim } = config
    const half = headDim / 2
    const x = Float32Array.from({ length: hiddenSize }, (_, i) => Math.sin(i * i + 1))
    const raw = new Float32Array(Uint8Array.from(stories260K.subarray(28)).buffer)
    const qStart = 512 * 64 + 5 * 64
    const kStart = qStart + 5 * 64 * 64
    const product = (weight: Float32Array, rows: number): number[] =>
      Array.from({ length: rows }, (_, r) => x.reduce((sum, value, c) => sum + value * weight[r * hiddenSize + c]!, 0))
    const angle = (i: number, position: number): number => position * 10000 ** (-i / half)
    const rotate = (
      pairs: readonly (readonly [number, number])[],
      v: readonly number[],
      position: number,
    ): number[] => {
      const out = [...v]
      pairs.forEach(([a, b], i) => {
        const [cos, sin] = [Math.cos(angle(i, position)), Math.sin(angle(i, position))]
        out[a] = v[a]! * cos - v[b]! * sin
        out[b] = v[a]! * sin + v[b]! * cos
      })
      return out
    }
    const interleaved = Array.from({ length: half }, (_, i) => [2 * i, 2 * i + 1] as const)
    const halfSplit = Array.from({ length: half }, (_, i) => [i, i + half] as const)
    const q = [
      product(raw.subarray(qStart), 64),
      product(await floats(tensors.get('model.layers.0.self_attn.q_proj.weight')), 64),
    ]
    const k = [
      product(raw.subarray(kStart), 32),
      product(await floats(tensors.get('model.layers.0.self_attn.k_proj.weight')), 32),
    ]
    for (let head = 0; head < 8; head++) {
      const [theirs, ours] = [interleaved, halfSplit].map((pairs, layout) => {
        const qHead = rotate(pairs, q[layout]!.slice(head * headDim, (head + 1) * headDim), 7)
        const kHead = rotate(pairs, k[layout]!.slice((head >> 1) * headDim, ((head >> 1) + 1) * headDim), 3)
        return qHead.reduce((sum, value, i) => sum + value * kHead[i]!, 0)
      })
      assert.ok(Math.abs(theirs! - ours!) < 1e-9, `head ${head}: ${theirs} and ${ours}`)
    }
  })

  it('refuses every wrong length before it reads more than the header', async () => {
    const { bytes } = numbered(tiny)
    for (let length = 0; length < bytes.length; length += length < 64 ? 1 : 97) {
      const source = watched(memorySource('m.bin', bytes.subarray(0, length)))
      await fails(() => parseLlama2c(source), 'ERR_MODEL_FORMAT', /m\.bin/)
      assert.ok(source.largest() <= 28)
    }
    await fails(
      () => parse(Uint8Array.from([...bytes, 0, 0, 0, 0])),
      'ERR_MODEL_FORMAT',
      /m\.bin has \d+ bytes, but .* has \d+/,
    )
  })

  it('with any bit of its header flipped is a typed error, and takes no memory', async () => {
    const { bytes } = numbered(tiny)
    for (let bit = 0; bit < 28 * 8; bit++) {
      const flipped = Uint8Array.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      const source = watched(memorySource('m.bin', flipped))
      await fails(() => parseLlama2c(source), 'ERR_MODEL_FORMAT', /m\.bin/)
      assert.ok(source.largest() <= 28)
    }
  })

  it('refuses sizes that claim more than any file holds', async () => {
    const claims: Partial<Sizes>[] = [
      { vocab: 2 ** 24 },
      { layers: 2 ** 14 },
      { dim: 2 ** 20 },
      { seqLen: 2 ** 30 },
      { vocab: -(2 ** 31) },
    ]
    for (const claim of claims) {
      const { dim, hidden, layers, heads, kvHeads, vocab, seqLen } = { ...tiny, ...claim }
      const header = new Uint8Array(Int32Array.of(dim, hidden, layers, heads, kvHeads, vocab, seqLen).buffer)
      await fails(() => parse(header), 'ERR_MODEL_FORMAT', /m\.bin/)
    }
  })

  it('says of other kinds of .bin what they are', async () => {
    const zip = Uint8Array.from([0x50, 0x4b, 3, 4, ...new Uint8Array(100)])
    await fails(() => parse(zip), 'ERR_MODEL_FORMAT', /PyTorch.*safetensors/)
    const version2 = new Uint8Array(Int32Array.of(0x616b3432, 2, ...new Array<number>(62).fill(0)).buffer)
    await fails(() => parse(version2), 'ERR_MODEL_FORMAT', /version 2; export it as version 0/)
    await fails(() => parse(new Uint8Array(28)), 'ERR_MODEL_FORMAT', /not a llama2\.c file\?/)
  })
})
