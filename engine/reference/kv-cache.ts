// Keys and values of a sequence: per layer one table of keys and one of values, grown as positions are used.

import type { KVCache, Segments } from '../backend.ts'
import { type F32Tensor, width } from './tensor.ts'

export interface ReferenceCache extends KVCache {
  readonly parent?: { readonly cache: ReferenceCache; readonly length: number }
  /** Per layer `[allocated positions, width]`. */
  readonly keys: Float32Array[]
  readonly values: Float32Array[]
}

const firstPositions = 64

/** The table with room for positions `0 .. end - 1`; doubles, and never past the capacity. */
function grown(table: Float32Array, end: number, cache: ReferenceCache): Float32Array {
  if (table.length >= end * cache.width) return table
  let positions = Math.max(firstPositions, table.length / cache.width)
  while (positions < end) positions *= 2
  const larger = new Float32Array(Math.min(positions, cache.capacity) * cache.width)
  larger.set(table)
  return larger
}

function reserve(cache: ReferenceCache, layer: number, end: number): void {
  cache.keys[layer] = grown(cache.keys[layer]!, end, cache)
  cache.values[layer] = grown(cache.values[layer]!, end, cache)
}

/** Writes `keys` and `values` `[rows, width]` at the rows' positions. */
export function storeKV(
  keys: F32Tensor,
  values: F32Tensor,
  { layer, segments }: { layer: number; segments: Segments<ReferenceCache> },
): void {
  const size = width(keys)
  let row = 0
  for (const { cache, start, count } of segments) {
    reserve(cache, layer, start + count)
    cache.keys[layer]!.set(keys.data.subarray(row * size, (row + count) * size), start * size)
    cache.values[layer]!.set(values.data.subarray(row * size, (row + count) * size), start * size)
    row += count
  }
}

/** Copies positions `from .. to - 1` of every layer, wherever the source keeps them. */
export function copyKV(out: ReferenceCache, source: ReferenceCache, { from, to }: { from: number; to: number }): void {
  const size = out.width
  for (let layer = 0; layer < out.layers; layer++) {
    reserve(out, layer, to)
    for (let p = from; p < to; p++) {
      const owner = ownerOf(source, p)
      out.keys[layer]!.set(owner.keys[layer]!.subarray(p * size, (p + 1) * size), p * size)
      out.values[layer]!.set(owner.values[layer]!.subarray(p * size, (p + 1) * size), p * size)
    }
  }
}

/** The cache that holds a position: this one, or the parent that it continues. */
export function ownerOf(cache: ReferenceCache, position: number): ReferenceCache {
  return cache.parent && position < cache.parent.length ? ownerOf(cache.parent.cache, position) : cache
}
