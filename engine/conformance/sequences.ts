// Sequences for the cases of caches: every cache has a twin on the host that holds what was stored in it.

import type { KVCache, Segments } from '../backend.ts'
import type { Check } from './accuracy.ts'
import * as oracle from './oracle.ts'
import { floats, type Random } from './random.ts'
import type { Workspace } from './workspace.ts'

/** A cache and its twin. */
export interface Sequence {
  readonly cache: KVCache
  readonly parent?: { readonly sequence: Sequence; readonly length: number } | undefined
  /** Per layer `[capacity, width]`. */
  readonly keys: readonly Float32Array[]
  readonly values: readonly Float32Array[]
}

export interface SequenceSpec {
  readonly layers: number
  readonly width: number
  readonly capacity: number
  readonly parent?: { readonly sequence: Sequence; readonly length: number } | undefined
}

/** Consecutive rows of a sequence, as in `Segment`. */
export interface Rows {
  readonly sequence: Sequence
  readonly start: number
  readonly count: number
}

export function newSequence(space: Workspace, spec: SequenceSpec): Sequence {
  const { layers, width, capacity, parent } = spec
  const tables = () => Array.from({ length: layers }, () => new Float32Array(capacity * width))
  const cache = space.cache({
    layers,
    width,
    capacity,
    ...(parent && { parent: { cache: parent.sequence.cache, length: parent.length } }),
  })
  return { cache, parent, keys: tables(), values: tables() }
}

export function segmentsOf(rows: readonly Rows[]): Segments {
  return rows.map(({ sequence, start, count }) => ({ cache: sequence.cache, start, count }))
}

/** How keys are spread: see `floats`. `whole` numbers make every score exact, however large. */
export interface Spread {
  readonly scale?: number | undefined
  readonly whole?: boolean | undefined
}

/** Random queries or keys. */
export function spreadFloats(random: Random, size: number, { scale = 1, whole }: Spread): Float32Array<ArrayBuffer> {
  const values = floats(random, size, scale)
  return whole ? values.map(Math.round) : values
}

/** Stores random keys and values in every layer of these rows, on the backend and in the twins. */
export function storeRandom(space: Workspace, random: Random, rows: readonly Rows[], spread: Spread = {}): void {
  for (const [layer] of (rows[0]?.sequence.keys ?? []).entries()) {
    for (const { sequence, start, count } of rows) {
      const { width } = sequence.cache
      sequence.keys[layer]!.set(spreadFloats(random, count * width, spread), start * width)
      // Few values to a row could average out to nearly nothing, which no arithmetic survives.
      const values = floats(random, count * width, spread.scale, width < 16 ? 'positive' : 'bell')
      sequence.values[layer]!.set(values, start * width)
    }
    storeTwins(space, rows, layer)
  }
}

/** Stores on the backend what the twins hold at these rows. */
export function storeTwins(space: Workspace, rows: readonly Rows[], layer: number): void {
  const width = rows[0]?.sequence.cache.width ?? 0
  const total = rows.reduce((sum, { count }) => sum + count, 0)
  const gather = (table: 'keys' | 'values') => {
    const all = new Float32Array(total * width)
    let at = 0
    for (const { sequence, start, count } of rows) {
      all.set(sequence[table][layer]!.subarray(start * width, (start + count) * width), at * width)
      at += count
    }
    return space.values(all, [total, width])
  }
  space.ops.storeKV(gather('keys'), gather('values'), { layer, segments: segmentsOf(rows) })
}

/** What a sequence holds at positions `0 .. length - 1`, its parent's included: `[length, width]`. */
export function held(sequence: Sequence, table: 'keys' | 'values', layer: number, length: number): Float32Array {
  const { width } = sequence.cache
  const all = sequence[table][layer]!.slice(0, length * width)
  const { parent } = sequence
  if (parent) all.set(held(parent.sequence, table, layer, Math.min(length, parent.length)))
  return all
}

export interface AttendOptions {
  readonly layer: number
  readonly headSize: number
  readonly scale: number
  readonly window?: number | undefined
}

/** What attention has to yield at these rows: `[rows, queryWidth]`. */
export function expectedAttention(queries: Float32Array, rows: readonly Rows[], options: AttendOptions): Float64Array {
  const { layer, headSize, scale, window } = options
  const total = rows.reduce((sum, { count }) => sum + count, 0)
  const size = queries.length / total
  const out = new Float64Array(queries.length)
  let row = 0
  for (const { sequence, start, count } of rows) {
    for (let length = start + 1; length <= start + count; length++, row++) {
      const query = queries.subarray(row * size, (row + 1) * size)
      const keys = held(sequence, 'keys', layer, length)
      out.set(
        oracle.attend(query, keys, held(sequence, 'values', layer, length), { length, headSize, scale, window }),
        row * size,
      )
    }
  }
  return out
}

/**
 * Checks of what the caches hold at these rows: with a window of one, attention yields the row's own values; over
 * everything, one head as wide as the cache, it depends on every key.
 */
export function contentChecks(space: Workspace, random: Random, rows: readonly Rows[], what: string): Check[] {
  const { width, layers } = rows[0]!.sequence.cache
  const total = rows.reduce((sum, { count }) => sum + count, 0)
  return Array.from({ length: layers }, (_, layer) =>
    [1, undefined].map((window): Check => {
      const queries = floats(random, total * width)
      const out = space.poisoned([total, width])
      const options = { layer, headSize: width, scale: 1 / Math.sqrt(width), window }
      space.ops.attention(out, space.values(queries, [total, width]), {
        ...options,
        segments: segmentsOf(rows),
      })
      const read = window === 1 ? 'the values' : 'attention over the keys and values'
      return {
        what: `${what}, ${read} of layer ${layer}`,
        actual: out,
        expected: expectedAttention(queries, rows, options),
      }
    }),
  ).flat()
}
