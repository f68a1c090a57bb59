// Tables of the rows of a pass: for each its position, and where its sequence's pages are.

import type { Segment, Segments } from '../backend.ts'
import { type ChunkedCache, chunkPositions, reserve, runsOf } from '../cache-runs.ts'
import type { HostWords } from './host-words.ts'

export interface WebgpuCache extends ChunkedCache {
  readonly parent?: { readonly cache: WebgpuCache; readonly length: number }
}

export interface RowTables {
  /** The place of the table of these rows in the words. Takes memory for their positions; throws {@link OutOfMemoryError}. */
  of(segments: Segments<WebgpuCache>): number
  /** The place of a cache's runs up to `end`. */
  runs(cache: WebgpuCache, end: number): number
  /** To be called when the words were cleared. */
  forget(): void
}

/** Words that a chunk takes. */
export function chunkWords({ layers, width }: ChunkedCache): number {
  return 2 * layers * chunkPositions * width
}

/** All layers of a pass use one table, so the last is kept. */
export function createRowTables(words: HostWords, allocate: (size: number) => number): RowTables {
  let last: { segments: readonly Segment<WebgpuCache>[]; chunks: number[]; place: number } | undefined
  const take = (cache: ChunkedCache): number => allocate(chunkWords(cache))

  function isLast(segments: Segments<WebgpuCache>): boolean {
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
    runs(cache, end) {
      reserve(cache, end, take)
      return words.table(runsOf(cache, end, cache.width))
    },
    of(segments) {
      for (const { cache, start, count } of segments) reserve(cache, start + count, take)
      if (last && isLast(segments)) return last.place
      const table: number[] = []
      for (const { cache, start, count } of segments) {
        const runs = words.table(runsOf(cache, start + count, cache.width))
        for (let position = start; position < start + count; position++) table.push(position, runs)
      }
      last = {
        segments: segments.map((segment) => ({ ...segment })),
        chunks: segments.map(({ cache }) => cache.chunks.length),
        place: words.table(table),
      }
      return last.place
    },
  }
}
