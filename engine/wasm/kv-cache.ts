// Keys and values of a sequence: chunks of 64 positions of all layers, taken as positions are used and never moved.

import type { KVCache, Segment, Segments } from '../backend.ts'
import { type ChunkedCache, chunkPositions, reserve as reserveChunks, runsOf as runsOfRows } from '../cache-runs.ts'
import type { Commands, Stamped } from './commands.ts'
import type { Heap } from './heap.ts'

/** Chunks are addresses. */
export interface WasmCache extends ChunkedCache, Stamped {
  readonly parent?: { readonly cache: WasmCache; readonly length: number }
}

/** Bytes of one position's keys. */
export function rowBytes(cache: KVCache): number {
  return cache.width * 4
}

export function chunkBytes(cache: KVCache): number {
  return 2 * cache.layers * chunkPositions * rowBytes(cache)
}

/** Takes memory for the positions up to `end`, in the cache and where it reads them. */
export function reserve(heap: Heap, cache: WasmCache, end: number): void {
  reserveChunks(cache, end, (own) => heap.allocate(chunkBytes(own)))
}

/** The runs of positions `0 .. end - 1`, as `kernels/rows.ts` has them. */
export function runsOf(cache: WasmCache, end: number): number[] {
  return runsOfRows(cache, end, rowBytes(cache))
}

export interface RowTables {
  /**
   * The place of the table of these rows in the data of the list being recorded. Takes memory for their positions; throws
   * {@link OutOfMemoryError}.
   */
  of(segments: Segments<WasmCache>): number
  /** To be called when the list was taken. */
  forget(): void
}

/** Tables of the rows of a pass: all of its layers use one, so the last is kept. */
export function createRowTables(heap: Heap, commands: Commands): RowTables {
  let last: { segments: readonly Segment<WasmCache>[]; chunks: number[]; place: number } | undefined

  function isLast(segments: Segments<WasmCache>): boolean {
    return (
      last?.segments.length === segments.length &&
      segments.every(({ cache, start, count }, i) => {
        const before = last!.segments[i]!
        return (
          before.cache === cache &&
          before.start === start &&
          before.count === count &&
          cache.chunks.length === last!.chunks[i]
        )
      })
    )
  }

  return {
    forget() {
      last = undefined
    },
    of(segments) {
      for (const { cache, start, count } of segments) reserve(heap, cache, start + count)
      if (last && isLast(segments)) return last.place
      const table: number[] = []
      for (const { cache, start, count } of segments) {
        const runs = commands.data(runsOf(cache, start + count))
        for (let position = start; position < start + count; position++) table.push(position, runs)
      }
      const place = commands.data(table)
      last = {
        segments: segments.map((segment) => ({ ...segment })),
        chunks: segments.map(({ cache }) => cache.chunks.length),
        place,
      }
      return place
    },
  }
}
