// A small model in any of GGUF's types, made of the golden blocks.
import type { StoredDType } from '../../../engine/dtype.ts'
import { blockLayouts } from '../../../engine/dtype.ts'
import { type LlamaConfig, parseConfig } from '../../../model/config.ts'
import { type ModelFiles, memoryFiles } from '../../../model/load/files.ts'
import { writeGguf } from '../../../model/save/gguf.ts'
import { ggufName, llamaMetadata } from '../../../model/save/gguf-llama.ts'
import { noTokenizer } from '../../../model/save/gguf-tokenizer.ts'
import { memorySink } from '../../../model/save/sink.ts'
import { tensorShapes } from '../../../model/weights.ts'
import { readSafetensors, repository } from '../load/fixtures.ts'

export const packedConfig: LlamaConfig = parseConfig(
  {
    model_type: 'llama',
    vocab_size: 8,
    hidden_size: 256,
    intermediate_size: 256,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    tie_word_embeddings: true,
  },
  'the config',
)

const golden = readSafetensors(repository('test/oracles/gguf/blocks.safetensors'))

/** Its bytes in a type: golden blocks over and over, norms of ones. */
export function packedBytes(name: string, dtype: StoredDType): { dtype: StoredDType; bytes: Uint8Array } {
  const shape = tensorShapes(packedConfig).get(name)!
  const count = shape.reduce((product, size) => product * size, 1)
  if (shape.length === 1) return { dtype: 'f32', bytes: new Uint8Array(new Float32Array(count).fill(1).buffer) }
  const { blockSize, blockBytes } = blockLayouts[dtype]
  const blocks = golden.get(`${dtype.toUpperCase()}.bytes`)!.bytes
  const bytes = new Uint8Array((count / blockSize) * blockBytes)
  for (let at = 0; at < bytes.length; at += blocks.length) bytes.set(blocks.subarray(0, bytes.length - at), at)
  return { dtype, bytes }
}

/** A GGUF file with its matrices in a type. */
export async function packedModel(dtype: StoredDType): Promise<ModelFiles> {
  const sink = memorySink('packed')
  const tensors = [...tensorShapes(packedConfig)].map(([name, shape]) => {
    const packed = packedBytes(name, dtype)
    async function* pieces(): AsyncGenerator<Uint8Array> {
      yield packed.bytes
    }
    return { name: ggufName(name), shape, dtype: packed.dtype, byteLength: packed.bytes.length, pieces }
  })
  const metadata = new Map([...llamaMetadata(packedConfig, 'packed'), ...noTokenizer(packedConfig)])
  await writeGguf(await sink.create('packed.gguf'), { metadata, tensors, onTensor() {} })
  await sink.finish()
  return memoryFiles('packed', sink.files, { file: 'packed.gguf' })
}
