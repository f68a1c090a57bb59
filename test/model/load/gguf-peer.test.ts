// GGUF heads as @huggingface/gguf, an independent reader, has them.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GGMLQuantizationType, gguf } from '@huggingface/gguf'
import { openFiles } from '../../../model/load/files-node.ts'
import { type GgufArray, type GgufScalar, ggufTypes, parseGguf } from '../../../model/load/gguf.ts'
import { convertModel } from '../../../model/save/convert.ts'
import { golden } from '../../golden.ts'
import { repository } from './fixtures.ts'

const plain = async (value: GgufScalar | GgufArray): Promise<unknown> =>
  typeof value === 'object' ? await value.read() : value

describe('a GGUF file beside @huggingface/gguf', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
    await convertModel('stories', join(folder, 'stories.gguf'), { dtype: 'q8_0' })
  })
  after(() => rm(folder, { recursive: true }))

  for (const name of ['gqa-tied-bf16', 'wide-head-bias-f32', 'stories'] as const) {
    it(`has the same metadata and tensors: ${name}`, async () => {
      const path = name === 'stories' ? join(folder, 'stories.gguf') : repository(`test/oracles/gguf/${name}.gguf`)
      const expected = await gguf(path, { allowLocalFile: true })
      const files = await openFiles(path)
      const source = (await files.open(files.file!))!
      try {
        const { metadata, tensors } = await parseGguf(source)
        const { version: _, tensor_count, kv_count, ...values } = expected.metadata
        assert.deepEqual([BigInt(tensors.size), BigInt(metadata.size)], [tensor_count, kv_count])
        for (const [key, value] of metadata) {
          assert.deepEqual(await plain(value), values[key as keyof typeof values], key)
        }
        for (const info of expected.tensorInfos) {
          const { shape, type } = tensors.get(info.name)!
          assert.deepEqual(shape.toReversed().map(BigInt), info.shape)
          assert.equal(type, GGMLQuantizationType[info.dtype])
        }
        golden()
      } finally {
        await source.close()
      }
    })
  }

  it('has the same names of types', () => {
    for (const [number, [name]] of ggufTypes) assert.equal(GGMLQuantizationType[number], name)
  })
})
