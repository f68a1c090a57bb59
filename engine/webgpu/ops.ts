// The ten ops, as dispatches.

import type { Ops, Segments } from '../backend.ts'
import { ShapeError } from '../errors.ts'
import { float } from './host-words.ts'
import { attended, attention, partialWords } from './kernels/attention.ts'
import { copyKV } from './kernels/copy-kv.ts'
import { copyRows } from './kernels/copy-rows.ts'
import { embed, embedUnit } from './kernels/embed.ts'
import { type Kernel, threads } from './kernels/kernel.ts'
import { addsBias, addsResidual, type Layout, linear, outputsOf } from './kernels/linear.ts'
import { mergeAttention } from './kernels/merge-attention.ts'
import { rmsNorm } from './kernels/rms-norm.ts'
import { rope } from './kernels/rope.ts'
import { selectBlock, selectInBlocks, selectInRows, selectWords } from './kernels/select.ts'
import { storeKV } from './kernels/store-kv.ts'
import { swiglu } from './kernels/swiglu.ts'
import type { Pipelines } from './pipelines.ts'
import { createPlaces, type PlaceParts } from './places.ts'
import type { RowTables, WebgpuCache } from './row-tables.ts'
import { type WebgpuTensor, width } from './tensor.ts'
import { strideOf, weightsOf } from './weights.ts'

export interface OpParts extends PlaceParts {
  readonly pipelines: Pipelines
  readonly tables: RowTables
  /** Of products. */
  readonly layout: Layout
  /** Rows for which there are kernels, ascending. May change until the device is probed. */
  readonly tiles: () => readonly number[]
}

export interface RecordedOps {
  readonly all: Ops<WebgpuTensor>
  /** The word of the pool at which a tensor begins, to which it is moved if need be. */
  place(tensor: WebgpuTensor): number
}

export function createOps(parts: OpParts): RecordedOps {
  const { pipelines, recorder, tables, layout } = parts
  const { placeOf, partsOf, scratchAt } = createPlaces(parts)

  const groups = (count: number, each = threads): number => Math.ceil(count / each)
  const foursIn = (...sizes: readonly number[]): boolean => sizes.every((size) => size % 4 === 0)
  const pipeline = (name: string, make: Kernel | (() => Kernel)) =>
    pipelines.get(name, typeof make === 'function' ? make : () => make)

  const all: Ops<WebgpuTensor> = {
    embed(out, ids, { table }) {
      const [rows, size] = [out.shape[0]!, width(out)]
      if (rows === 0) return
      const seen = weightsOf(table)
      const inTables = ids instanceof Int32Array
      const where = inTables ? recorder.words.table(ids) : placeOf(ids)
      const units = size / embedUnit(seen)
      const own = pipeline(`embed ${seen}`, () => embed(seen))
      for (const part of partsOf(table)) {
        recorder.dispatch({
          pipeline: own,
          params: [
            placeOf(out),
            rows,
            units,
            where,
            inTables ? 1 : 0,
            part.first,
            part.count,
            strideOf(seen, size),
            part.scales,
            size / 32,
          ],
          weight: part.group,
          grid: gridOf(groups(units), rows),
        })
      }
    },

    rmsNorm(out, x, { weight, epsilon }) {
      const size = width(weight)
      const runs = width(out) / size
      const fours = foursIn(size)
      if (out.shape[0] === 0) return
      const units = fours ? size / 4 : size
      recorder.dispatch({
        pipeline: pipeline(`rmsNorm ${fours}`, () => rmsNorm({ fours, threads: layout.threads })),
        params: [placeOf(out), placeOf(x), placeOf(weight), units, size, runs, float(epsilon)],
        grid: gridOf(runs, out.shape[0]!),
      })
    },

    linear(out, x, { weight, bias, residual }) {
      const [rows, size, columns] = [out.shape[0]!, width(x), width(out)]
      if (rows === 0) return
      const seen = weightsOf(weight)
      const parts_ = partsOf(weight)
      const fours = foursIn(columns, size, ...parts_.map(({ first }) => first))
      const tile = tileFor(rows, parts.tiles())
      const adds = (bias ? addsBias : 0) + (residual ? addsResidual : 0)
      const own = pipeline(`linear ${seen} ${fours} ${tile}`, () =>
        linear({ layout, rows: tile, weights: seen, fours }),
      )
      const places = [placeOf(out), placeOf(x)]
      for (const part of parts_) {
        recorder.dispatch({
          pipeline: own,
          params: [
            ...places,
            rows,
            size,
            columns,
            part.first,
            part.count,
            strideOf(seen, size),
            part.scales,
            size / 32,
            bias ? placeOf(bias) : 0,
            residual ? placeOf(residual) : 0,
            adds,
          ],
          weight: part.group,
          grid: gridOf(groups(part.count, outputsOf(layout)), groups(rows, tile)),
        })
      }
    },

    rope(out, x, { cos, sin, segments }) {
      const half = width(cos)
      const pairs = width(x) / 2
      if (out.shape[0] === 0) return
      recorder.dispatch({
        pipeline: pipeline('rope', rope),
        params: [placeOf(out), placeOf(x), placeOf(cos), placeOf(sin), tables.of(own(segments)), half, pairs],
        grid: gridOf(groups(pairs), out.shape[0]!),
      })
    },

    storeKV(keys, values, { layer, segments }) {
      if (keys.shape[0] === 0) return
      const size = width(keys)
      recorder.dispatch({
        pipeline: pipeline('storeKV', storeKV),
        params: [placeOf(keys), placeOf(values), tables.of(own(segments)), layer, size],
        grid: gridOf(groups(size), keys.shape[0]!),
      })
    },

    attention(out, queries, { layer, segments, headSize, scale, window = 0 }) {
      const [rows, heads] = [out.shape[0]!, width(queries) / headSize]
      if (rows === 0) return
      const table = tables.of(own(segments))
      const { cache } = segments[0]!
      const fours = foursIn(headSize, cache.width)
      // Chunks of the row that has most; others leave theirs.
      let chunks = 1
      for (const { start, count } of segments) {
        for (let position = start; position < start + count; position++) {
          const first = window ? Math.max(0, position + 1 - window) : 0
          chunks = Math.max(chunks, Math.floor(position / attended) - Math.floor(first / attended) + 1)
        }
      }
      const partial = chunks > 1 ? scratchAt(rows * heads * chunks * partialWords(headSize)) : 0
      const bounded = Math.min(window, 2 ** 31)
      recorder.dispatch({
        pipeline: pipeline(`attention ${headSize} ${fours}`, () =>
          attention({ headSize, fours, threads: layout.threads }),
        ),
        params: [
          placeOf(out),
          placeOf(queries),
          table,
          layer,
          heads,
          heads / (cache.width / headSize),
          cache.width,
          bounded,
          float(scale),
          chunks,
          partial,
        ],
        grid: gridOf(chunks, heads, rows),
      })
      if (chunks === 1) return
      recorder.dispatch({
        pipeline: pipeline('mergeAttention', mergeAttention),
        params: [placeOf(out), table, heads, bounded, chunks, partial, headSize],
        grid: gridOf(heads, rows),
      })
    },

    swiglu(out, gate, up) {
      const [rows, size] = [out.shape[0]!, width(out)]
      if (rows === 0) return
      recorder.dispatch({
        pipeline: pipeline('swiglu', swiglu),
        params: [placeOf(out), placeOf(gate), placeOf(up), size],
        grid: gridOf(groups(size), rows),
      })
    },

    copyRows(out, x, { rows, at }) {
      if (rows.length === 0) return
      const size = width(x)
      recorder.dispatch({
        pipeline: pipeline('copyRows', copyRows),
        params: [placeOf(out) + at * size, placeOf(x), recorder.words.table(rows), size],
        grid: gridOf(groups(size), rows.length),
      })
    },

    copyKV(to, from, { from: start, to: end }) {
      const [out, source] = [to as WebgpuCache, from as WebgpuCache] // caches are made here only
      if (start === end) return
      recorder.dispatch({
        pipeline: pipeline('copyKV', copyKV),
        params: [tables.runs(out, end), tables.runs(source, end), start, out.width],
        grid: gridOf(groups(out.width), end - start, 2 * out.layers),
      })
    },

    select({ ids, scores }, logits, { noise }) {
      const [rows, size] = [logits.shape[0]!, width(logits)]
      if (rows === 0) return
      const perRow = Math.ceil(size / selectBlock)
      const params = [
        placeOf(ids),
        placeOf(scores),
        placeOf(logits),
        noise ? placeOf(noise) : 0,
        noise ? 1 : 0,
        scratchAt(rows * perRow * selectWords),
        size,
        perRow,
      ]
      recorder.dispatch({
        pipeline: pipeline('selectInBlocks', () => selectInBlocks(layout.threads)),
        params,
        grid: gridOf(perRow, rows),
      })
      recorder.dispatch({ pipeline: pipeline('selectInRows', selectInRows), params, grid: gridOf(rows) })
    },
  }

  return { all, place: placeOf }
}

/** The smallest kernel that takes all rows, or the largest there is. */
function tileFor(rows: number, tiles: readonly number[]): number {
  return tiles.find((tile) => tile >= rows) ?? tiles.at(-1)!
}

const mostGroups = 65535

function gridOf(...grid: [x: number, y?: number, z?: number]): [x: number, y?: number, z?: number] {
  for (const groups of grid) {
    if (groups! > mostGroups)
      throw new ShapeError(`webgpu starts ${mostGroups} workgroups at most, not ${groups}: pass fewer rows`)
  }
  return grid
}

/** Segments hold caches of this backend only, which openBackend checks. */
function own(segments: Segments): Segments<WebgpuCache> {
  return segments as Segments<WebgpuCache>
}
