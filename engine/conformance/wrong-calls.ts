// Error cases of the ops: every argument of every op in a wrong shape or type, row by row of one table.

import type { KVCache, OpName, Segments, Tensor } from '../backend.ts'
import type { Case } from './case.ts'
import { errorCase, type Parts } from './errors.ts'

type WrongCalls = Readonly<Record<string, (parts: Parts) => void>>

/** By op and error: what is wrong, and the call. All else about a call is right. */
const wrongCalls: Readonly<
  Record<OpName, { shape: WrongCalls; dtype: WrongCalls; argument?: WrongCalls; bf16?: WrongCalls }>
> = {
  embed: {
    shape: {
      'more ids than rows of out': ({ ops, f32 }) => ops.embed(f32(2, 8), Int32Array.of(1, 2, 3), { table: f32(9, 8) }),
      'fewer ids than rows of out': ({ ops, f32 }) => ops.embed(f32(2, 8), Int32Array.of(1), { table: f32(9, 8) }),
      'more ids on the device': ({ ops, f32, i32 }) => ops.embed(f32(2, 8), i32(3), { table: f32(9, 8) }),
      'a table of another width': ({ ops, f32 }) => ops.embed(f32(1, 8), Int32Array.of(1), { table: f32(9, 7) }),
      'a table of one axis': ({ ops, f32 }) => ops.embed(f32(1, 8), Int32Array.of(0), { table: f32(8) }),
      'out of one axis': ({ ops, f32 }) => ops.embed(f32(8), Int32Array.of(1), { table: f32(9, 8) }),
    },
    dtype: {
      'an i32 out': ({ ops, f32, i32 }) => ops.embed(i32(1, 8), Int32Array.of(1), { table: f32(9, 8) }),
      'an i32 table': ({ ops, f32, i32 }) => ops.embed(f32(1, 8), Int32Array.of(1), { table: i32(9, 8) }),
      'f32 ids on the device': ({ ops, f32 }) => ops.embed(f32(1, 8), f32(1), { table: f32(9, 8) }),
    },
    argument: {
      'an id past the vocabulary': ({ ops, f32 }) => ops.embed(f32(2, 8), Int32Array.of(8, 9), { table: f32(9, 8) }),
      'a negative id': ({ ops, f32 }) => ops.embed(f32(1, 8), Int32Array.of(-1), { table: f32(9, 8) }),
    },
  },
  rmsNorm: {
    shape: {
      'out of other rows': ({ ops, f32 }) => ops.rmsNorm(f32(2, 8), f32(3, 8), { weight: f32(8), epsilon: 1e-5 }),
      'out of another width': ({ ops, f32 }) => ops.rmsNorm(f32(3, 4), f32(3, 8), { weight: f32(4), epsilon: 1e-5 }),
      'a weight that does not divide x': ({ ops, f32 }) =>
        ops.rmsNorm(f32(3, 8), f32(3, 8), { weight: f32(3), epsilon: 1e-5 }),
      'a weight wider than x': ({ ops, f32 }) => ops.rmsNorm(f32(3, 8), f32(3, 8), { weight: f32(16), epsilon: 1e-5 }),
      'a weight of two axes': ({ ops, f32 }) => ops.rmsNorm(f32(3, 8), f32(3, 8), { weight: f32(1, 8), epsilon: 1e-5 }),
      'x of one axis': ({ ops, f32 }) => ops.rmsNorm(f32(8), f32(8), { weight: f32(8), epsilon: 1e-5 }),
      'out that is x': ({ ops, f32 }) => {
        const x = f32(3, 8)
        ops.rmsNorm(x, x, { weight: f32(8), epsilon: 1e-5 })
      },
    },
    dtype: {
      'an i32 x': ({ ops, f32, i32 }) => ops.rmsNorm(f32(3, 8), i32(3, 8), { weight: f32(8), epsilon: 1e-5 }),
      'an i32 out': ({ ops, f32, i32 }) => ops.rmsNorm(i32(3, 8), f32(3, 8), { weight: f32(8), epsilon: 1e-5 }),
      'an i32 weight': ({ ops, f32, i32 }) => ops.rmsNorm(f32(3, 8), f32(3, 8), { weight: i32(8), epsilon: 1e-5 }),
    },
    argument: {
      'an epsilon that is no number': ({ ops, f32 }) =>
        ops.rmsNorm(f32(3, 8), f32(3, 8), { weight: f32(8), epsilon: Number.NaN }),
    },
    bf16: {
      'a bf16 x': ({ ops, f32, weight }) =>
        ops.rmsNorm(f32(3, 8), weight('bf16', 3, 8), { weight: f32(8), epsilon: 1e-5 }),
      'a bf16 weight': ({ ops, f32, weight }) =>
        ops.rmsNorm(f32(3, 8), f32(3, 8), { weight: weight('bf16', 8), epsilon: 1e-5 }),
    },
  },
  linear: {
    shape: {
      'a weight of another in': ({ ops, f32 }) => ops.linear(f32(3, 5), f32(3, 8), { weight: f32(5, 7) }),
      'a weight the other way round': ({ ops, f32 }) => ops.linear(f32(3, 5), f32(3, 8), { weight: f32(8, 5) }),
      'out of another width': ({ ops, f32 }) => ops.linear(f32(3, 6), f32(3, 8), { weight: f32(5, 8) }),
      'out of other rows': ({ ops, f32 }) => ops.linear(f32(4, 5), f32(3, 8), { weight: f32(5, 8) }),
      'a bias of another size': ({ ops, f32 }) => ops.linear(f32(3, 5), f32(3, 8), { weight: f32(5, 8), bias: f32(8) }),
      'a bias of two axes': ({ ops, f32 }) => ops.linear(f32(3, 5), f32(3, 8), { weight: f32(5, 8), bias: f32(1, 5) }),
      'a residual of other rows': ({ ops, f32 }) =>
        ops.linear(f32(3, 5), f32(3, 8), { weight: f32(5, 8), residual: f32(1, 5) }),
      'a residual shaped as x': ({ ops, f32 }) =>
        ops.linear(f32(3, 5), f32(3, 8), { weight: f32(5, 8), residual: f32(3, 8) }),
      'out that is x': ({ ops, f32 }) => {
        const x = f32(3, 8)
        ops.linear(x, x, { weight: f32(8, 8) })
      },
    },
    dtype: {
      'an i32 x': ({ ops, f32, i32 }) => ops.linear(f32(3, 5), i32(3, 8), { weight: f32(5, 8) }),
      'an i32 weight': ({ ops, f32, i32 }) => ops.linear(f32(3, 5), f32(3, 8), { weight: i32(5, 8) }),
      'an i32 out': ({ ops, f32, i32 }) => ops.linear(i32(3, 5), f32(3, 8), { weight: f32(5, 8) }),
      'an i32 bias': ({ ops, f32, i32 }) => ops.linear(f32(3, 5), f32(3, 8), { weight: f32(5, 8), bias: i32(5) }),
      'an i32 residual': ({ ops, f32, i32 }) =>
        ops.linear(f32(3, 5), f32(3, 8), { weight: f32(5, 8), residual: i32(3, 5) }),
    },
    bf16: {
      'a bf16 x': ({ ops, f32, weight }) => ops.linear(f32(3, 5), weight('bf16', 3, 8), { weight: f32(5, 8) }),
      'a bf16 bias': ({ ops, f32, weight }) =>
        ops.linear(f32(3, 5), f32(3, 8), { weight: f32(5, 8), bias: weight('bf16', 5) }),
    },
  },
  rope: {
    shape: {
      ...wrongSegments((p, list) => rope(p, list)),
      'out of another width': (p) =>
        p.ops.rope(p.f32(3, 4), p.f32(3, 8), { cos: p.f32(16, 2), sin: p.f32(16, 2), segments: segments(p) }),
      'sin of another shape': (p) =>
        p.ops.rope(p.f32(3, 8), p.f32(3, 8), { cos: p.f32(16, 2), sin: p.f32(16, 4), segments: segments(p) }),
      'heads that do not divide x': (p) =>
        p.ops.rope(p.f32(3, 8), p.f32(3, 8), { cos: p.f32(16, 3), sin: p.f32(16, 3), segments: segments(p) }),
      'tables of too few positions': (p) =>
        p.ops.rope(p.f32(3, 8), p.f32(3, 8), { cos: p.f32(6, 2), sin: p.f32(6, 2), segments: segments(p, 4) }),
    },
    dtype: {
      'an i32 x': (p) => rope(p, segments(p), { x: p.i32(3, 8) }),
      'an i32 out': (p) => rope(p, segments(p), { out: p.i32(3, 8) }),
      'i32 tables': (p) =>
        p.ops.rope(p.f32(3, 8), p.f32(3, 8), { cos: p.i32(16, 2), sin: p.i32(16, 2), segments: segments(p) }),
    },
  },
  storeKV: {
    shape: {
      ...wrongSegments((p, list) => p.ops.storeKV(p.f32(3, 8), p.f32(3, 8), { layer: 0, segments: list })),
      'values of another width': (p) => p.ops.storeKV(p.f32(3, 8), p.f32(3, 4), { layer: 0, segments: segments(p) }),
      'values of other rows': (p) => p.ops.storeKV(p.f32(3, 8), p.f32(2, 8), { layer: 0, segments: segments(p) }),
      'rows wider than the cache': (p) => p.ops.storeKV(p.f32(3, 9), p.f32(3, 9), { layer: 0, segments: segments(p) }),
      'a layer past the last': (p) => p.ops.storeKV(p.f32(3, 8), p.f32(3, 8), { layer: 2, segments: segments(p) }),
      'a negative layer': (p) => p.ops.storeKV(p.f32(3, 8), p.f32(3, 8), { layer: -1, segments: segments(p) }),
      "a position that is the parent's": (p) =>
        p.ops.storeKV(p.f32(3, 8), p.f32(3, 8), {
          layer: 0,
          segments: [{ cache: p.cache({ parent: p.cache() }), start: 4, count: 3 }],
        }),
    },
    dtype: {
      'i32 keys': (p) => p.ops.storeKV(p.i32(3, 8), p.f32(3, 8), { layer: 0, segments: segments(p) }),
      'i32 values': (p) => p.ops.storeKV(p.f32(3, 8), p.i32(3, 8), { layer: 0, segments: segments(p) }),
    },
  },
  attention: {
    shape: {
      ...wrongSegments((p, list) => attention(p, { segments: list })),
      'out of another width': (p) => attention(p, { out: p.f32(3, 8) }),
      'out of other rows': (p) => attention(p, { out: p.f32(2, 16) }),
      'a head size that does not divide the queries': (p) => attention(p, { headSize: 3 }),
      'a head size that does not divide the cache': (p) => attention(p, { headSize: 16 }),
      'a head size of 0': (p) => attention(p, { headSize: 0 }),
      'query heads that do not divide into groups': (p) =>
        attention(p, { out: p.f32(3, 12), queries: p.f32(3, 12), headSize: 4 }),
      'a layer past the last': (p) => attention(p, { layer: 2 }),
      'a window of 0': (p) => attention(p, { window: 0 }),
      'out that is the queries': (p) => {
        const queries = p.f32(3, 16)
        attention(p, { out: queries, queries })
      },
    },
    dtype: {
      'i32 queries': (p) => attention(p, { queries: p.i32(3, 16) }),
      'an i32 out': (p) => attention(p, { out: p.i32(3, 16) }),
    },
    argument: { 'a scale that is no number': (p) => attention(p, { scale: Number.NaN }) },
  },
  swiglu: {
    shape: {
      'up of another width': ({ ops, f32 }) => ops.swiglu(f32(3, 8), f32(3, 8), f32(3, 4)),
      'up of one row': ({ ops, f32 }) => ops.swiglu(f32(3, 8), f32(3, 8), f32(1, 8)),
      'out of other rows': ({ ops, f32 }) => ops.swiglu(f32(2, 8), f32(3, 8), f32(3, 8)),
    },
    dtype: {
      'an i32 gate': ({ ops, f32, i32 }) => ops.swiglu(f32(3, 8), i32(3, 8), f32(3, 8)),
      'an i32 up': ({ ops, f32, i32 }) => ops.swiglu(f32(3, 8), f32(3, 8), i32(3, 8)),
      'an i32 out': ({ ops, f32, i32 }) => ops.swiglu(i32(3, 8), f32(3, 8), f32(3, 8)),
    },
  },
  copyRows: {
    shape: {
      'out of another width': ({ ops, f32 }) => ops.copyRows(f32(3, 8), f32(3, 4), { rows: [0], at: 0 }),
      'a row past the last': ({ ops, f32 }) => ops.copyRows(f32(3, 8), f32(2, 8), { rows: [0, 2], at: 0 }),
      'a negative row': ({ ops, f32 }) => ops.copyRows(f32(3, 8), f32(2, 8), { rows: [-1], at: 0 }),
      'a row that is no whole number': ({ ops, f32 }) => ops.copyRows(f32(3, 8), f32(2, 8), { rows: [0.5], at: 0 }),
      'more rows than out has from there': ({ ops, f32 }) =>
        ops.copyRows(f32(3, 8), f32(2, 8), { rows: [0, 1], at: 2 }),
      'a negative place': ({ ops, f32 }) => ops.copyRows(f32(3, 8), f32(2, 8), { rows: [0], at: -1 }),
    },
    dtype: {
      'an i32 x': ({ ops, f32, i32 }) => ops.copyRows(f32(3, 8), i32(3, 8), { rows: [0], at: 0 }),
      'an i32 out': ({ ops, f32, i32 }) => ops.copyRows(i32(3, 8), f32(3, 8), { rows: [0], at: 0 }),
    },
  },
  copyKV: {
    shape: {
      'a source of another width': ({ ops, cache }) => ops.copyKV(cache(), cache({ width: 4 }), { from: 0, to: 2 }),
      'a source of other layers': ({ ops, cache }) => ops.copyKV(cache(), cache({ layers: 3 }), { from: 0, to: 2 }),
      'positions past the capacity': ({ ops, cache }) => ops.copyKV(cache(), cache(), { from: 0, to: 17 }),
      'positions past the capacity of the source': ({ ops, cache }) =>
        ops.copyKV(cache(), cache({ capacity: 3 }), { from: 0, to: 4 }),
      'a range that ends before it starts': ({ ops, cache }) => ops.copyKV(cache(), cache(), { from: 3, to: 2 }),
      'a negative position': ({ ops, cache }) => ops.copyKV(cache(), cache(), { from: -1, to: 2 }),
    },
    dtype: {},
  },
  select: {
    shape: {
      'ids of other rows': (p) => select(p, { ids: p.i32(2) }),
      'scores of other rows': (p) => select(p, { scores: p.f32(2, 2) }),
      'scores of one column': (p) => select(p, { scores: p.f32(3, 1) }),
      'noise of another vocabulary': (p) => select(p, { noise: p.f32(3, 8) }),
      'noise of one row': (p) => select(p, { noise: p.f32(1, 9) }),
      'logits of one axis': (p) => select(p, { logits: p.f32(9), ids: p.i32(1), scores: p.f32(1, 2) }),
    },
    dtype: {
      'f32 ids': (p) => select(p, { ids: p.f32(3) }),
      'i32 scores': (p) => select(p, { scores: p.i32(3, 2) }),
      'i32 logits': (p) => select(p, { logits: p.i32(3, 9) }),
      'i32 noise': (p) => select(p, { noise: p.i32(3, 9) }),
    },
  },
}

/** The error cases of every op. */
export function opErrorCases(): Case[] {
  return Object.entries(wrongCalls).flatMap(([name, { shape, dtype, argument = {}, bf16 = {} }]) => {
    // Object.entries widens the keys of the table above to string.
    const op = name as OpName
    return [
      ...Object.entries(shape).map(([name, call]) => errorCase({ op, name, code: 'ERR_SHAPE' }, call)),
      ...Object.entries(dtype).map(([name, call]) => errorCase({ op, name, code: 'ERR_DTYPE' }, call)),
      ...Object.entries(argument).map(([name, call]) => errorCase({ op, name, code: 'ERR_ARGUMENT' }, call)),
      ...Object.entries(bf16).map(([name, call]) => errorCase({ op, name, code: 'ERR_DTYPE', dtype: 'bf16' }, call)),
    ]
  })
}

/** Three rows of one sequence. */
function segments({ cache }: Parts, start = 0): Segments {
  return [{ cache: cache(), start, count: 3 }]
}

/** Segments that do not fit three rows, or their caches of 16 positions. */
function wrongSegments(call: (parts: Parts, segments: Segments) => void): WrongCalls {
  const wrong = (segments: (cache: () => KVCache) => Segments) => (parts: Parts) => call(parts, segments(parts.cache))
  return {
    'no segments': wrong(() => []),
    'segments of fewer rows': wrong((cache) => [{ cache: cache(), start: 0, count: 2 }]),
    'segments of more rows': wrong((cache) => [
      { cache: cache(), start: 0, count: 2 },
      { cache: cache(), start: 0, count: 2 },
    ]),
    'a segment of no rows': wrong((cache) => [
      { cache: cache(), start: 0, count: 3 },
      { cache: cache(), start: 0, count: 0 },
    ]),
    'one sequence in two segments': wrong((cache) => {
      const same = cache()
      return [
        { cache: same, start: 0, count: 1 },
        { cache: same, start: 1, count: 2 },
      ]
    }),
    'positions past the capacity': wrong((cache) => [{ cache: cache(), start: 14, count: 3 }]),
    'a negative position': wrong((cache) => [{ cache: cache(), start: -1, count: 3 }]),
    'a position that is no whole number': wrong((cache) => [{ cache: cache(), start: 0.5, count: 3 }]),
  }
}

function rope(p: Parts, list: Segments, changed: { out?: Tensor; x?: Tensor } = {}): void {
  const { out = p.f32(3, 8), x = p.f32(3, 8) } = changed
  p.ops.rope(out, x, { cos: p.f32(32, 2), sin: p.f32(32, 2), segments: list })
}

interface AttentionCall {
  readonly out: Tensor
  readonly queries: Tensor
  readonly layer: number
  readonly segments: Segments
  readonly headSize: number
  readonly scale: number
  readonly window: number
}

function attention(p: Parts, changed: Partial<AttentionCall>): void {
  const { out = p.f32(3, 16), queries = p.f32(3, 16), ...options } = changed
  p.ops.attention(out, queries, { layer: 0, segments: segments(p), headSize: 4, scale: 0.5, ...options })
}

function select(p: Parts, changed: { ids?: Tensor; scores?: Tensor; logits?: Tensor; noise?: Tensor }): void {
  const { ids = p.i32(3), scores = p.f32(3, 2), logits = p.f32(3, 9), noise } = changed
  p.ops.select({ ids, scores }, logits, { noise })
}
