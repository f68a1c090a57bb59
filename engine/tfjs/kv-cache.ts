// Keys and values in chunks of positions, each a tensor `[kvHeads, positions, headSize]`. A chunk is replaced when a row in
// it is written: in a text that grows that is the last one, and the others stay as they are.

import type { KVCache, Segments } from '../backend.ts'
import { type Device, paddedRows } from './device.ts'
import { rowsOf, type TfjsTensor } from './handle.ts'
import { free } from './rows.ts'
import { spansOf } from './spans.ts'
import type { TfTensor } from './tf.ts'
import { drop, hold, newValue, type Value } from './value.ts'

/** Positions of a chunk. Small caches would do with less, but every chunk costs attention four operations more. */
export const chunkPositions = 512

/** A chunk grows by so many positions; attention runs over as many of them as a row's own position needs. */
export const bucketPositions = 64

type Table = 'keys' | 'values'

export interface TfjsCache extends KVCache {
  readonly parent?: { readonly cache: TfjsCache; readonly length: number }
  /** How the chunks are cut into heads. */
  headSize: number
  /** Per layer its chunks, as far as they have been used. */
  readonly keys: (Value | undefined)[][]
  readonly values: (Value | undefined)[][]
  /** Itself until it is freed, and the caches that continue it. */
  users: number
}

export function newCache(
  device: Device,
  spec: { layers: number; width: number; capacity: number; parent?: { cache: TfjsCache; length: number } },
): TfjsCache {
  const tables = (): (Value | undefined)[][] => Array.from({ length: spec.layers }, () => [])
  if (spec.parent) spec.parent.cache.users++
  const headSize = device.headSizes.get(spec.width) ?? spec.width
  return { ...spec, headSize, keys: tables(), values: tables(), users: 1 }
}

/** One user less; the last one frees the chunks. */
export function dropCache(cache: TfjsCache): void {
  if (--cache.users > 0) return
  for (const table of [...cache.keys, ...cache.values]) {
    for (const chunk of table) if (chunk) drop(chunk)
    table.length = 0
  }
  if (cache.parent) dropCache(cache.parent.cache)
}

/** Bytes of all chunks that are a cache's own. */
export function cacheBytes({ keys, values, width }: TfjsCache): number {
  let positions = 0
  for (const table of [...keys, ...values]) for (const chunk of table) positions += chunk?.tensor.shape[1] ?? 0
  return positions * width * 4
}

/** Writes keys and values `[rows, width]` at the rows' positions. */
export function storeKV(
  device: Device,
  keys: TfjsTensor,
  values: TfjsTensor,
  { layer, segments }: { layer: number; segments: Segments<TfjsCache> },
): void {
  const { eager } = device
  // Padded rows go where the last one goes.
  const rows = eager.scatters ? paddedRows(device, keys.shape[0]!) : keys.shape[0]!
  const headSize = commonHeadSize(device, segments)
  const axes = [keys.shape[1]! / headSize, headSize]
  for (const { cache, at, positions } of spansOf(segments, rows, chunkPositions)) {
    const chunk = Math.floor(positions[0]! / chunkPositions)
    const starts = positions.map((position) => position - chunk * chunkPositions)
    for (const [name, handle] of [
      ['keys', keys],
      ['values', values],
    ] as const) {
      const all = rowsOf(device, handle, axes)
      const own = positions.length === all.shape[0] ? all : eager.slice(all, [at, 0, 0], [positions.length, ...axes])
      const before = room(device, cache, { name, layer, chunk, positions: starts.at(-1)! + 1 })
      if (!eager.scatters) {
        replace(cache, { name, layer, chunk }, inserted(device, before, own, starts[0]!))
        if (own !== all) own.dispose()
        continue
      }
      const key = `places ${axes[0]} ${starts.join()}`
      const places = device.ofPass(key, () =>
        device.integers(
          starts.flatMap((start) => Array.from({ length: axes[0]! }, (_, head) => [head, start]).flat()),
          [starts.length, axes[0]!, 2],
        ),
      )
      replace(cache, { name, layer, chunk }, eager.scatter(before, places, own))
      if (own !== all) own.dispose()
    }
  }
}

/**
 * A copy of a chunk with `rows [rows, kvHeads, headSize]` in the place of those from position `from` on. Where it stands is
 * in the list alone: a shape would be compiled anew for every position.
 */
function inserted(device: Device, chunk: TfTensor, rows: TfTensor, from: number): TfTensor {
  const { eager } = device
  const [size, count] = [chunk.shape[1]!, rows.shape[0]!]
  const byHead = eager.transpose(rows, [1, 0, 2])
  const all = eager.concat([chunk, byHead], 1)
  const list = device.ofPass(`inserted ${size} ${count} ${from}`, () =>
    device.integers(
      Array.from({ length: size }, (_, i) => (i >= from && i < from + count ? size + i - from : i)),
      [size],
    ),
  )
  const result = eager.gather(all, list, 1)
  free(byHead, all)
  return result
}

/** Copies positions `from .. to - 1` of every layer. */
export function copyKV(
  device: Device,
  out: TfjsCache,
  source: TfjsCache,
  { from, to }: { from: number; to: number },
): void {
  if (from === to) return
  const { eager } = device
  layOut(device, out, source.headSize)
  layOut(device, source, source.headSize)
  for (let layer = 0; layer < out.layers; layer++) {
    for (const name of ['keys', 'values'] as const) {
      for (let chunk = Math.floor(from / chunkPositions); chunk * chunkPositions < to; chunk++) {
        const first = Math.max(0, from - chunk * chunkPositions)
        const end = Math.min(chunkPositions, to - chunk * chunkPositions)
        const before = room(device, out, { name, layer, chunk, positions: end })
        const copied = chunkOf(device, source, { name, layer, chunk, positions: bucketed(end) })
        const parts = [cut(device, before, 0, first), cut(device, copied.tensor, first, end)]
        parts.push(cut(device, before, end, before.shape[1]!))
        const some = parts.filter((part) => part !== undefined)
        replace(out, { name, layer, chunk }, eager.concat(some, 1))
        free(...some)
        drop(copied)
      }
    }
  }
}

/** The least whole number of buckets that holds so many positions. */
export function bucketed(positions: number): number {
  return Math.ceil(positions / bucketPositions) * bucketPositions
}

/** The first `positions` positions of a chunk, wherever they are kept; its own user must drop it. */
export function chunkOf(
  device: Device,
  cache: TfjsCache,
  at: { name: Table; layer: number; chunk: number; positions: number },
): Value {
  const { name, layer, chunk, positions } = at
  const shared = (cache.parent?.length ?? 0) - chunk * chunkPositions
  if (cache.parent && shared >= positions) return chunkOf(device, cache.parent.cache, at)
  const tensor = room(device, cache, at)
  if (cache.parent && shared > 0) {
    const inherited = chunkOf(device, cache.parent.cache, { ...at, positions: bucketed(shared) })
    const parts = [cut(device, inherited.tensor, 0, shared)!, cut(device, tensor, shared, positions)!]
    const joined = device.eager.concat(parts, 1)
    free(...parts)
    drop(inherited)
    return newValue(joined)
  }
  if (tensor.shape[1] === positions) return hold(cache[name][layer]![chunk]!)
  return newValue(cut(device, tensor, 0, positions)!)
}

/** Cuts the chunks of a cache, and of those that it continues, into heads of this size. */
export function layOut(device: Device, cache: TfjsCache, headSize: number): void {
  device.headSizes.set(cache.width, headSize)
  if (cache.parent) layOut(device, cache.parent.cache, headSize)
  if (cache.headSize === headSize) return
  for (const table of [...cache.keys, ...cache.values]) {
    for (const [i, chunk] of table.entries()) {
      if (!chunk) continue
      table[i] = newValue(recut(device, chunk.tensor, headSize))
      drop(chunk)
    }
  }
  cache.headSize = headSize
}

function recut({ eager }: Device, chunk: TfTensor, headSize: number): TfTensor {
  const [heads, positions, size] = chunk.shape as readonly [number, number, number] // chunks have three axes
  const byPosition = eager.transpose(chunk, [1, 0, 2])
  const heads2 = eager.reshape(byPosition, [positions, (heads * size) / headSize, headSize])
  const byHead = eager.transpose(heads2, [1, 0, 2])
  free(byPosition, heads2)
  return byHead
}

/** One head size for all caches of a pass. */
function commonHeadSize(device: Device, segments: Segments<TfjsCache>): number {
  const { width } = segments[0]!.cache
  const headSize = device.headSizes.get(width) ?? segments[0]!.cache.headSize
  for (const { cache } of segments) layOut(device, cache, headSize)
  return headSize
}

/** The cache's own chunk, with room for so many positions. */
function room(
  device: Device,
  cache: TfjsCache,
  { name, layer, chunk, positions }: { name: Table; layer: number; chunk: number; positions: number },
): TfTensor {
  const table = cache[name][layer]!
  const own = table[chunk]
  const size = Math.max(bucketed(positions), own?.tensor.shape[1] ?? 0)
  if (own && own.tensor.shape[1] === size) return own.tensor
  const { headSize } = cache
  const missing = [cache.width / headSize, size - (own?.tensor.shape[1] ?? 0), headSize]
  const zeros = device.tf.tensor(new Float32Array(missing.reduce((a, b) => a * b)), missing, 'float32')
  const larger = own ? device.eager.concat([own.tensor, zeros], 1) : zeros
  if (own) zeros.dispose()
  while (table.length < chunk) table.push(undefined)
  replace(cache, { name, layer, chunk }, larger)
  return larger
}

function replace(
  cache: TfjsCache,
  { name, layer, chunk }: { name: Table; layer: number; chunk: number },
  tensor: TfTensor,
): void {
  const table = cache[name][layer]!
  const before = table[chunk]
  table[chunk] = newValue(tensor)
  if (before) drop(before)
}

/** Positions `from .. to - 1` of a chunk, if there are any. */
function cut({ eager }: Device, chunk: TfTensor, from: number, to: number): TfTensor | undefined {
  if (from >= to) return undefined
  return eager.slice(chunk, [0, from, 0], [chunk.shape[0]!, to - from, chunk.shape[2]!])
}
