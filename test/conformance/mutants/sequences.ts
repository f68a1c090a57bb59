// Mistakes in the ops that know sequences.

import type { Segments } from 'drafthorse/engine'
import type { F32Tensor, ReferenceCache } from 'drafthorse/engine/reference'
import { attentionWith } from './kernels.ts'
import { type Mutant, type ReferenceOps, width } from './mutant.ts'

export const sequenceMutants: readonly Mutant[] = [
  {
    op: 'rope',
    mistake: 'rotates neighbours instead of halves',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      rope(out: F32Tensor, x: F32Tensor, options: Parameters<ReferenceOps['rope']>[2]) {
        const half = width(options.cos)
        const from = (i: number) => i - (i % (2 * half)) + 2 * (i % half) + (i % (2 * half) < half ? 0 : 1)
        const halves = { ...x, data: x.data.map((_, i) => x.data[from(i)]!) }
        ops.rope(halves, halves, options)
        for (const [i, value] of halves.data.entries()) out.data[from(i)] = value
      },
    }),
  },
  {
    op: 'rope',
    mistake: 'counts positions through the pass instead of each segment',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      rope(out, x, { segments, ...tables }) {
        const [first] = segments
        const count = segments.reduce((sum, segment) => sum + segment.count, 0)
        const start = Math.min(first!.start, tables.cos.shape[0]! - count)
        ops.rope(out, x, { ...tables, segments: [{ ...first!, start, count }] })
      },
    }),
  },
  {
    op: 'rope',
    mistake: 'reads what it has just written when in place',
    caughtBy: 'accuracy',
    mutate: () => ({
      rope(out: F32Tensor, x: F32Tensor, options: { cos: F32Tensor; sin: F32Tensor; segments: Segments }) {
        const half = width(options.cos)
        const rows = options.segments.flatMap(({ start, count }) => Array.from({ length: count }, (_, i) => start + i))
        for (const [row, position] of rows.entries()) {
          for (let i = 0; i < width(x); i++) {
            const at = row * width(x) + i
            const angle = position * half + (i % half)
            const other = i % (2 * half) < half ? -x.data[at + half]! : x.data[at - half]!
            out.data[at] = x.data[at]! * options.cos.data[angle]! + other * options.sin.data[angle]!
          }
        }
      },
    }),
  },
  {
    op: 'storeKV',
    mistake: 'writes every pass to the start of the cache',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      storeKV: (keys, values, { layer, segments }) =>
        ops.storeKV(keys, values, {
          layer,
          segments: segments.map((segment) => ({ ...segment, start: segment.cache.parent?.length ?? 0 })),
        }),
    }),
  },
  {
    op: 'storeKV',
    mistake: 'writes every layer to the first',
    caughtBy: 'accuracy',
    mutate: (ops) => ({ storeKV: (keys, values, { segments }) => ops.storeKV(keys, values, { layer: 0, segments }) }),
  },
  {
    op: 'storeKV',
    mistake: 'takes the values for the keys',
    caughtBy: 'accuracy',
    mutate: (ops) => ({ storeKV: (_, values, options) => ops.storeKV(values, values, options) }),
  },
  {
    op: 'attention',
    mistake: 'looks ahead in its own pass',
    caughtBy: 'accuracy',
    mutate: () => attentionWith({ ahead: true }),
  },
  {
    op: 'attention',
    mistake: 'sums over keys from the other end when there are several rows',
    caughtBy: 'invariance only',
    mutate: () => attentionWith({ turned: true }),
  },
  {
    op: 'attention',
    mistake: 'ignores the window',
    caughtBy: 'accuracy',
    mutate: () => attentionWith({ window: 'all' }),
  },
  {
    op: 'attention',
    mistake: 'gives query heads their keys in turn instead of in groups',
    caughtBy: 'accuracy',
    mutate: () => attentionWith({ group: 'in turn' }),
  },
  {
    op: 'attention',
    mistake: "reads the parent's positions from its own cache",
    caughtBy: 'accuracy',
    mutate: () => attentionWith({ parent: 'ignored' }),
  },
  {
    op: 'attention',
    mistake: 'does not subtract the largest score',
    caughtBy: 'accuracy',
    mutate: () => attentionWith({ scores: 'as they are' }),
  },
  {
    op: 'copyKV',
    mistake: 'copies from the start',
    caughtBy: 'accuracy',
    mutate: (ops) => ({ copyKV: (out, source, { to }) => ops.copyKV(out, source, { from: 0, to }) }),
  },
  {
    op: 'copyKV',
    mistake: 'leaves the last layer out',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      copyKV(out: ReferenceCache, source: ReferenceCache, range: { from: number; to: number }) {
        const last = out.layers - 1
        const [keys, values] = [out.keys[last]!, out.values[last]!]
        const size = out.capacity * out.width
        const restored = [keys, values].map((table) => {
          const before = new Float32Array(size)
          before.set(table)
          return before
        })
        ops.copyKV(out, source, range)
        out.keys[last] = restored[0]!
        out.values[last] = restored[1]!
      },
    }),
  },
  {
    op: 'copyKV',
    mistake: 'hands over the tables themselves',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      copyKV(out: ReferenceCache, source: ReferenceCache, range: { from: number; to: number }) {
        ops.copyKV(out, source, range)
        if (range.from > 0 || source.parent) return
        for (let layer = 0; layer < out.layers; layer++) {
          out.keys[layer] = source.keys[layer]!
          out.values[layer] = source.values[layer]!
        }
      },
    }),
  },
]
