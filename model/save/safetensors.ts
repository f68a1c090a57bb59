// Writes safetensors: one file, or several and an index where the weights are large, as transformers does.

import type { StoredDType } from '../../engine/dtype.ts'
import { type ModelSink, writeWhole } from './sink.ts'
import type { OutgoingTensor } from './weights.ts'

/** The format's names of the types that it has. */
const names: ReadonlyMap<StoredDType, string> = new Map([
  ['f32', 'F32'],
  ['f16', 'F16'],
  ['bf16', 'BF16'],
])

export const safetensorsTypes: readonly StoredDType[] = [...names.keys()]

/** Bytes of a file's weights at most, unless one tensor is larger: what transformers splits models at. */
const shardBytes = 5e9

/** Writes the weights, of types that the format has. `onTensor` is told of each when it is written. */
export async function writeSafetensors(
  sink: ModelSink,
  tensors: readonly OutgoingTensor[],
  options: { readonly shardBytes?: number | undefined; readonly onTensor: (name: string) => void },
): Promise<void> {
  const shards = split(tensors, options.shardBytes ?? shardBytes)
  const pathOf = (shard: number): string => {
    const number = (value: number): string => `${value}`.padStart(5, '0')
    return shards.length === 1
      ? 'model.safetensors'
      : `model-${number(shard + 1)}-of-${number(shards.length)}.safetensors`
  }
  for (const [i, shard] of shards.entries()) await writeShard(sink, shard, { path: pathOf(i), ...options })
  if (shards.length === 1) return
  const total_size = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const places = shards.flatMap((shard, i) => shard.map(({ name }) => [name, pathOf(i)] as const))
  const index = { metadata: { total_size }, weight_map: Object.fromEntries(places) }
  await writeWhole(sink, 'model.safetensors.index.json', `${JSON.stringify(index, null, 2)}\n`)
}

function split(tensors: readonly OutgoingTensor[], limit: number): OutgoingTensor[][] {
  const shards: OutgoingTensor[][] = [[]]
  let held = 0
  for (const tensor of tensors) {
    if (held > 0 && held + tensor.byteLength > limit) {
      shards.push([])
      held = 0
    }
    shards.at(-1)!.push(tensor)
    held += tensor.byteLength
  }
  return shards
}

async function writeShard(
  sink: ModelSink,
  tensors: readonly OutgoingTensor[],
  { path, onTensor }: { path: string; onTensor: (name: string) => void },
): Promise<void> {
  // Wider types first, as the official writer has them: then every tensor is aligned.
  const ordered = tensors.toSorted((a, b) => Number(b.dtype === 'f32') - Number(a.dtype === 'f32'))
  const header: Record<string, object> = { __metadata__: { format: 'pt' } } // transformers asks for it
  let end = 0
  for (const { name, shape, dtype, byteLength } of ordered) {
    header[name] = { dtype: names.get(dtype), shape, data_offsets: [end, end + byteLength] }
    end += byteLength
  }
  const text = new TextEncoder().encode(JSON.stringify(header))
  const head = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20)
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true)
  head.set(text, 8)
  const file = await sink.create(path)
  await file.write(head)
  for (const tensor of ordered) {
    for await (const piece of tensor.pieces()) await file.write(piece)
    onTensor(tensor.name)
  }
  await file.close()
}
