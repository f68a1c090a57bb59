// The checks of each op's arguments, in one place, so that a kernel can trust them: shapes, types, rows against cache
// positions, and whether a handle is alive.

import type { KVCache, Ops, Segments, Tensor } from './backend.ts'
import { ArgumentError, DTypeError, ShapeError } from './errors.ts'

/** Throws unless a handle is alive and the backend's own. */
export type ExpectLive = (what: string, handle: object) => void

/** What a tensor must be, dimension by dimension; `undefined` leaves one open. */
interface Expected {
  shape: readonly (number | undefined)[]
  dtype?: 'f32' | 'i32' | 'weight'
}

const show = (shape: readonly (number | undefined)[]): string => `[${shape.map((d) => d ?? 'any').join(', ')}]`

export function expectWhole(what: string, value: number, from: number, to: number): void {
  if (!Number.isSafeInteger(value) || value < from || value > to) {
    throw new ShapeError(`${what} is ${value}, expected a whole number from ${from} to ${to}`)
  }
}

function expectPositive(what: string, value: number): void {
  if (!Number.isFinite(value) || value <= 0) throw new ArgumentError(`${what} is ${value}, expected a number above 0`)
}

function expectOther(what: string, out: Tensor, input: Tensor): void {
  if (out === input)
    throw new ShapeError(`${what} is the input itself, whose values are still needed; give another tensor`)
}

function expectLayer(op: string, layer: number, { cache }: { cache: KVCache }): void {
  expectWhole(`${op}: the layer`, layer, 0, cache.layers - 1)
}

/** A cache is read through its parents, so these must be alive as well. */
export function expectLiveCache(expectLive: ExpectLive, what: string, cache: KVCache): void {
  for (let at: KVCache | undefined = cache; at; at = at.parent?.cache) expectLive(what, at)
}

export function expectCacheWidth(op: string, caches: readonly KVCache[], width: number): void {
  for (const cache of caches) {
    if (cache.width !== width) throw new ShapeError(`${op}: the cache holds rows of ${cache.width}, not ${width}`)
  }
}

/** The checks, by op. */
export function opChecks(expectLive: ExpectLive): Ops {
  function expect(what: string, tensor: Tensor, { shape, dtype = 'f32' }: Expected): void {
    expectLive(what, tensor)
    if (dtype === 'weight' ? tensor.dtype === 'i32' : tensor.dtype !== dtype) {
      throw new DTypeError(`${what} is ${tensor.dtype}, expected ${dtype === 'weight' ? 'a weight type' : dtype}`)
    }
    if (tensor.shape.length !== shape.length || shape.some((d, i) => d !== undefined && d !== tensor.shape[i])) {
      throw new ShapeError(`${what} is ${show(tensor.shape)}, expected ${show(shape)}`)
    }
  }

  /** Rows and last axis of a `[rows, width]` tensor. */
  function matrix(what: string, tensor: Tensor): readonly [rows: number, width: number] {
    expect(what, tensor, { shape: [undefined, undefined] })
    return [tensor.shape[0]!, tensor.shape[1]!]
  }

  function expectSegments(op: string, segments: Segments, rows: number): void {
    const seen = new Set<KVCache>()
    let total = 0
    for (const { cache, start, count } of segments) {
      expectLiveCache(expectLive, op, cache)
      const first = cache.parent?.length ?? 0
      expectWhole(`${op}: the count of a segment`, count, 1, cache.capacity)
      expectWhole(`${op}: the start of a segment of ${count} rows`, start, first, cache.capacity - count)
      if (seen.has(cache)) throw new ShapeError(`${op}: one sequence stands in two segments of a pass; join them`)
      seen.add(cache)
      total += count
    }
    if (total !== rows) throw new ShapeError(`${op}: the segments hold ${total} rows, the tensors ${rows}`)
  }

  return {
    embed(out, ids, { table }) {
      const [rows, hidden] = matrix('embed: out', out)
      expect('embed: table', table, { shape: [undefined, hidden], dtype: 'weight' })
      if (!(ids instanceof Int32Array)) return expect('embed: ids', ids, { shape: [rows], dtype: 'i32' })
      if (ids.length !== rows) throw new ShapeError(`embed: ${ids.length} ids for ${rows} rows of out`)
      const vocabulary = table.shape[0]!
      for (const id of ids) {
        if (id < 0 || id >= vocabulary) {
          throw new ArgumentError(`embed: token ${id} is outside the vocabulary, which has ids 0 to ${vocabulary - 1}`)
        }
      }
    },

    rmsNorm(out, x, { weight, epsilon }) {
      const [rows, width] = matrix('rmsNorm: x', x)
      expect('rmsNorm: out', out, { shape: [rows, width] })
      expectOther('rmsNorm: out', out, x)
      expect('rmsNorm: weight', weight, { shape: [undefined] })
      const size = weight.shape[0]!
      if (size === 0 || width % size !== 0) {
        throw new ShapeError(`rmsNorm: x has ${width} columns, which do not divide into runs of the weight's ${size}`)
      }
      expectPositive('rmsNorm: epsilon', epsilon)
    },

    linear(out, x, { weight, bias, residual }) {
      const [rows, inSize] = matrix('linear: x', x)
      expect('linear: weight', weight, { shape: [undefined, inSize], dtype: 'weight' })
      const outSize = weight.shape[0]!
      expect('linear: out', out, { shape: [rows, outSize] })
      if (bias) expect('linear: bias', bias, { shape: [outSize] })
      if (residual) expect('linear: residual', residual, { shape: [rows, outSize] })
      expectOther('linear: out', out, x)
    },

    rope(out, x, { cos, sin, segments }) {
      const [rows, width] = matrix('rope: x', x)
      expect('rope: out', out, { shape: [rows, width] })
      const [positions, half] = matrix('rope: cos', cos)
      expect('rope: sin', sin, { shape: [positions, half] })
      if (half === 0 || width % (2 * half) !== 0) {
        throw new ShapeError(`rope: x has ${width} columns, which do not divide into heads of ${2 * half}`)
      }
      expectSegments('rope', segments, rows)
      for (const { start, count } of segments) {
        if (start + count > positions) {
          throw new ShapeError(`rope: position ${start + count - 1} is past the tables' ${positions} positions`)
        }
      }
    },

    storeKV(keys, values, { layer, segments }) {
      const [rows, width] = matrix('storeKV: keys', keys)
      expect('storeKV: values', values, { shape: [rows, width] })
      expectSegments('storeKV', segments, rows)
      expectCacheWidth(
        'storeKV',
        segments.map((segment) => segment.cache),
        width,
      )
      for (const segment of segments) expectLayer('storeKV', layer, segment)
    },

    attention(out, queries, { layer, segments, headSize, scale, window }) {
      const [rows, width] = matrix('attention: queries', queries)
      expect('attention: out', out, { shape: [rows, width] })
      expectOther('attention: out', out, queries)
      expectWhole('attention: headSize', headSize, 1, width)
      expectPositive('attention: scale', scale)
      if (window !== undefined) expectWhole('attention: window', window, 1, Number.MAX_SAFE_INTEGER)
      expectSegments('attention', segments, rows)
      for (const segment of segments) {
        const keyWidth = segment.cache.width
        expectLayer('attention', layer, segment)
        if (width % headSize !== 0 || keyWidth % headSize !== 0 || width % keyWidth !== 0) {
          throw new ShapeError(
            `attention: heads of ${headSize} do not fit queries of ${width} over a cache whose rows hold ${keyWidth}`,
          )
        }
      }
    },

    swiglu(out, gate, up) {
      const [rows, width] = matrix('swiglu: gate', gate)
      expect('swiglu: up', up, { shape: [rows, width] })
      expect('swiglu: out', out, { shape: [rows, width] })
    },

    copyRows(out, x, { rows, at }) {
      const [count, width] = matrix('copyRows: x', x)
      expect('copyRows: out', out, { shape: [undefined, width] })
      expectOther('copyRows: out', out, x)
      for (const row of rows) expectWhole('copyRows: a row', row, 0, count - 1)
      expectWhole('copyRows: at', at, 0, out.shape[0]! - rows.length)
    },

    copyKV(out, source, { from, to }) {
      expectLiveCache(expectLive, 'copyKV: out', out)
      expectLiveCache(expectLive, 'copyKV: source', source)
      if (out.layers !== source.layers) throw new ShapeError(`copyKV: ${source.layers} layers into ${out.layers}`)
      expectCacheWidth('copyKV', [out], source.width)
      expectWhole('copyKV: from', from, out.parent?.length ?? 0, out.capacity)
      expectWhole('copyKV: to', to, from, Math.min(out.capacity, source.capacity))
    },

    select({ ids, scores }, logits, { noise }) {
      const [rows, vocabulary] = matrix('select: logits', logits)
      if (vocabulary === 0) throw new ShapeError('select: the vocabulary is empty')
      expect('select: ids', ids, { shape: [rows], dtype: 'i32' })
      expect('select: scores', scores, { shape: [rows, 2] })
      if (noise) expect('select: noise', noise, { shape: [rows, vocabulary] })
    },
  }
}
