// Keys and values: per layer a table of each, `[positions, width]`. A kernel cannot write into what it reads, so storing makes
// a new table; tables double as they grow.

import type { KVCache, Segments } from '../backend.ts'
import type { Device } from './device.ts'
import { type GpujsTensor, valueIn } from './tensor.ts'
import { drop, hold, newValue, rowsOf, type Value } from './value.ts'

export interface GpujsCache extends KVCache {
  readonly parent?: { readonly cache: GpujsCache; readonly length: number }
  /** Per layer, as far as it was written. */
  readonly keys: (Value | undefined)[]
  readonly values: (Value | undefined)[]
}

const firstPositions = 64

export function newCache(spec: {
  layers: number
  width: number
  capacity: number
  parent?: { cache: GpujsCache; length: number }
}): GpujsCache {
  const tables = (): (Value | undefined)[] => Array.from({ length: spec.layers }, () => undefined)
  return { ...spec, keys: tables(), values: tables() }
}

/** Drops the tables. What was recorded with them keeps its own hold on them. */
export function dropCache(cache: GpujsCache): void {
  for (const tables of [cache.keys, cache.values]) {
    for (const [layer, table] of tables.entries()) {
      if (table) drop(table)
      tables[layer] = undefined
    }
  }
}

export function cacheBytes({ keys, values }: GpujsCache): number {
  const tables = [...keys, ...values].filter((table) => table !== undefined)
  return tables.reduce((sum, { width, rows }) => sum + width * rows * 4, 0)
}

/** Positions of a table with room for `end`: a power of two times 64, and never past the capacity. */
function grown({ capacity }: KVCache, end: number, before: number): number {
  let positions = Math.max(firstPositions, before)
  while (positions < end) positions *= 2
  return Math.min(positions, capacity)
}

interface Rows {
  readonly x: Value
  /** Where they go, how many, and which is the first. */
  readonly start: number
  readonly count: number
  readonly offset: number
}

/** A table with rows replaced, with room for them. */
function placed(device: Device, cache: KVCache, table: Value | undefined, { x, start, count, offset }: Rows): Value {
  const kept = table?.rows ?? 0
  return device.record('place', {
    width: cache.width,
    rows: grown(cache, start + count, kept),
    args: [table ?? x, x, start, count, offset, kept],
  })
}

function replace(device: Device, cache: GpujsCache, name: 'keys' | 'values', at: { layer: number } & Rows): void {
  const tables = cache[name]
  const before = tables[at.layer]
  tables[at.layer] = placed(device, cache, before, at)
  if (before) drop(before)
}

/** Writes `keys` and `values` `[rows, width]` at the rows' positions. */
export function storeKV(
  device: Device,
  keys: GpujsTensor,
  values: GpujsTensor,
  { layer, segments }: { layer: number; segments: Segments<GpujsCache> },
): void {
  let offset = 0
  for (const { cache, start, count } of segments) {
    if (count === 0) continue
    replace(device, cache, 'keys', { layer, x: valueIn(keys), start, count, offset })
    replace(device, cache, 'values', { layer, x: valueIn(values), start, count, offset })
    offset += count
  }
}

/** Copies positions `from .. to - 1` of every layer, wherever the source keeps them. */
export function copyKV(
  device: Device,
  out: GpujsCache,
  source: GpujsCache,
  { from, to }: { from: number; to: number },
): void {
  if (from === to) return
  for (let layer = 0; layer < out.layers; layer++) {
    for (const name of ['keys', 'values'] as const) {
      const x = tableOf(device, source, { name, layer, positions: to })
      replace(device, out, name, { layer, x, start: from, count: to - from, offset: from })
      drop(x)
    }
  }
}

/** The table of a layer with at least the first `positions`, wherever they are kept; its user must drop it. */
export function tableOf(
  device: Device,
  cache: GpujsCache,
  at: { name: 'keys' | 'values'; layer: number; positions: number },
): Value {
  const { parent } = cache
  const own = cache[at.name][at.layer]
  if (!parent || parent.length === 0)
    return own && own.rows >= at.positions ? hold(own) : enlarged(device, cache, own, at)
  const count = Math.min(parent.length, at.positions)
  const inherited = tableOf(device, parent.cache, { ...at, positions: count })
  const joined = device.record('place', {
    width: cache.width,
    rows: grown(cache, at.positions, own?.rows ?? 0),
    args: [own ?? inherited, inherited, 0, count, 0, own?.rows ?? 0],
  })
  drop(inherited)
  return joined
}

/** With room for positions that were never written: nobody reads what is there. */
function enlarged(
  device: Device,
  cache: GpujsCache,
  own: Value | undefined,
  { positions }: { positions: number },
): Value {
  if (own) return placed(device, cache, own, { x: own, start: positions, count: 0, offset: 0 })
  const rows = grown(cache, positions, 0)
  return newValue({ width: cache.width, rows }, rowsOf(new Float32Array(rows * cache.width), cache.width))
}
