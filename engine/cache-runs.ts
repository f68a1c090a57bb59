// Pages of a cache: chunks of positions, taken as these are used and never moved, and which of them holds a position where
// caches read through parents.

import type { KVCache } from './backend.ts'

/** Positions that share a chunk. */
export const chunkPositions = 64

/** The place of a chunk whose positions are all a parent's. */
export const inParent = -1

/** A cache in chunks that hold all layers' keys and values of some positions. */
export interface ChunkedCache extends KVCache {
  readonly parent?: { readonly cache: ChunkedCache; readonly length: number }
  /** Places, in the order of their positions. */
  readonly chunks: number[]
}

/** Takes chunks for the positions up to `end`, in the cache and where it reads them. */
export function reserve(cache: ChunkedCache, end: number, allocate: (cache: ChunkedCache) => number): void {
  if (cache.parent) reserve(cache.parent.cache, Math.min(cache.parent.length, end), allocate)
  const first = Math.floor((cache.parent?.length ?? 0) / chunkPositions)
  while (cache.chunks.length * chunkPositions < end) {
    cache.chunks.push(cache.chunks.length < first ? inParent : allocate(cache))
  }
}

/**
 * The runs of positions `0 .. end - 1`, two numbers each: where it ends, and where position 0 would be in that chunk, whose
 * rows have `rowSize`. A run ends with its chunk, or where a parent does.
 */
export function runsOf(cache: ChunkedCache, end: number, rowSize: number): number[] {
  const words: number[] = []
  let from = 0
  for (const [own, to] of parts(cache, end)) {
    for (let chunk = Math.floor(from / chunkPositions); from < to; chunk++) {
      from = Math.min((chunk + 1) * chunkPositions, to)
      words.push(from, own.chunks[chunk]! - chunk * chunkPositions * rowSize)
    }
  }
  return words
}

/** Which cache holds the positions up to which, from position 0 on. */
function parts(cache: ChunkedCache, end: number): [cache: ChunkedCache, to: number][] {
  if (!cache.parent) return [[cache, end]]
  const shared = Math.min(cache.parent.length, end)
  return [...parts(cache.parent.cache, shared), [cache, end]]
}

/** The cache and those that it is read through. */
export function lineage<C extends ChunkedCache>(cache: C): C[] {
  const caches = [cache]
  for (let at = cache.parent; at; at = at.cache.parent) caches.push(at.cache as C) // parents are caches of the same backend
  return caches
}
