// What holds of a damaged file of any format: it is refused by a typed error, or it is read correctly.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { byteSize } from '../../engine/dtype.ts'
import { openCheckpoint } from '../../model/load/checkpoint.ts'
import { memoryFiles } from '../../model/load/files.ts'
import { convertModel } from '../../model/save/convert.ts'
import { memorySink } from '../../model/save/sink.ts'
import { checkTensors } from '../../model/weights.ts'
import { codeOf, typedCodes } from '../model/load/fixtures.ts'
import { type Damage, damagedBinary, damagedHeader, damagedJson } from './mutations.ts'
import {
  folderSeed,
  ggufSeed,
  llama2cSeed,
  type Seed,
  scoredGgufSeed,
  shardedSeed,
  tfjsSeed,
  tokenizerOf,
  weightsSeed,
} from './seeds.ts'

/** What may be damaged, by what, and how often of a hundred. */
type Target = readonly [path: string, damage: fc.Arbitrary<Damage>, weight: number]

export const formats = ['safetensors', 'gguf', 'tfjs', 'llama2c', 'tokenizer'] as const
export type Format = (typeof formats)[number]

async function seedsOf(format: Format): Promise<readonly { seed: Seed; targets: readonly Target[] }[]> {
  switch (format) {
    case 'safetensors': {
      const weights: Target[] = [
        ['model.safetensors', damagedHeader, 40],
        ['model.safetensors', damagedBinary(1200), 40],
        ['config.json', damagedJson, 15],
        ['skip_layers.json', damagedJson, 5],
      ]
      const sharded: Target[] = [
        ['model.safetensors.index.json', damagedJson, 60],
        ['model-00001-of-00002.safetensors', damagedHeader, 40],
      ]
      return [
        { seed: weightsSeed(), targets: weights },
        { seed: await shardedSeed(), targets: sharded },
      ]
    }
    case 'gguf':
      return [
        { seed: await ggufSeed(), targets: [['x.gguf', damagedBinary(9000), 100]] },
        { seed: await ggufSeed(), targets: [['x.gguf', damagedBinary(1100), 100]] },
        { seed: await scoredGgufSeed(), targets: [['x.gguf', damagedBinary(14_000), 100]] },
      ]
    case 'tfjs': {
      const targets: Target[] = [
        ['model.json', damagedJson, 80],
        ['config.json', damagedJson, 10],
        ['group1-shard1of2.bin', damagedBinary(9000), 10],
      ]
      return [{ seed: await tfjsSeed(), targets }]
    }
    case 'llama2c': {
      const targets: Target[] = [
        ['x.bin', damagedBinary(28), 50],
        ['tok512.bin', damagedBinary(6000), 50],
      ]
      return [{ seed: llama2cSeed(), targets }]
    }
    case 'tokenizer': {
      const targets: Target[] = [
        ['tokenizer.json', damagedJson, 80],
        ['tokenizer_config.json', damagedJson, 20],
      ]
      return [
        { seed: folderSeed(), targets },
        { seed: await tokenizerOf(await scoredGgufSeed()), targets },
      ]
    }
  }
}

/** Opens, reads and converts a damaged model of a format, as many times as asked. `onCase` is told how each took. */
export async function fuzz(
  format: Format,
  options: { readonly cases: number; readonly seed?: number; readonly onCase?: (result: CaseResult) => void },
): Promise<void> {
  const seeds = await seedsOf(format)
  const some = seeds.map(({ seed, targets }) =>
    fc
      .oneof(
        ...targets.map(([path, damage, weight]) => ({ weight, arbitrary: damage.map((change) => ({ path, change })) })),
      )
      .map(({ path, change }) => damaged(seed, path, change)),
  )
  const property = fc.asyncProperty(fc.oneof(...some), async (seed) => {
    const began = performance.now()
    const refused = await readAll(seed)
    options.onCase?.({ seed, refused, milliseconds: performance.now() - began })
  })
  await fc.assert(property, {
    numRuns: options.cases,
    ...(options.seed !== undefined && { seed: options.seed }),
  })
}

export interface CaseResult {
  readonly seed: Seed
  /** Whether it was refused by a typed error. */
  readonly refused: boolean
  readonly milliseconds: number
}

function damaged(seed: Seed, path: string, change: Damage): Seed {
  return { ...seed, files: { ...seed.files, [path]: change(seed.files[path]!) } }
}

/** Whether it was refused, as it should be. Fails for any other error, and for what is read and cannot be. */
async function readAll({ files, file }: Seed): Promise<boolean> {
  const source = memoryFiles('x', files, file === undefined ? {} : { file })
  try {
    const checkpoint = await openCheckpoint(source)
    try {
      checkTensors(checkpoint.tensors, checkpoint.config)
      for (const { name, dtype, shape, read } of checkpoint.tensors.values()) {
        assert.equal((await read()).length, byteSize(dtype, shape), `${name} is ${dtype} [${shape.join(', ')}]`)
      }
      const ids = checkpoint.tokenizer?.encode('Once upon the\n time, <s> \u{1f389}\u2581') ?? []
      const limit = Math.max(checkpoint.config.vocabSize, checkpoint.tokenizer?.vocabSize ?? 0)
      for (const id of ids) assert.ok(Number.isSafeInteger(id) && id >= 0 && id < limit, `id ${id}`)
      assert.equal(
        typeof checkpoint.tokenizer?.decode([0, 1, 2, ...ids]),
        checkpoint.tokenizer ? 'string' : 'undefined',
      )
    } finally {
      await checkpoint.close()
    }
    await convertModel(source, memorySink('made'), { format: 'gguf' })
    return false
  } catch (error) {
    if (typedCodes.has(codeOf(error)) || codeOf(error) === 'ERR_NUMERIC') return true
    throw error
  }
}
