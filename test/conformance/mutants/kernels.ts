// Whole kernels that can be wrong in several ways: `linear` and `attention`.

import type { F32Tensor, ReferenceCache, WeightTensor } from 'drafthorse/engine/reference'
import { type ReferenceOps, width } from './mutant.ts'

/** How a sum goes on: `product` is number `i` of `size`. */
type Add = (sum: number, product: number, i: number, size: number) => number

/** `linear` that is wrong for f32 weights, and right for others. */
export function f32Linear(
  ops: ReferenceOps,
  add: Add,
  order: 'forward' | 'turned for several rows' = 'forward',
): ReferenceOps['linear'] {
  return (
    out: F32Tensor,
    x: F32Tensor,
    { weight, bias, residual }: { weight: WeightTensor; bias?: F32Tensor; residual?: F32Tensor },
  ) => {
    if (weight.dtype !== 'f32') return ops.linear(out, x, { weight, bias, residual })
    const size = width(x)
    const outSize = width(out)
    const rows = x.data.length / size
    const turned = order !== 'forward' && rows > 1
    for (let r = 0; r < rows; r++) {
      for (let o = 0; o < outSize; o++) {
        let sum = 0
        for (let step = 0; step < size; step++) {
          const i = turned ? size - 1 - step : step
          sum = add(sum, x.data[r * size + i]! * weight.data[o * size + i]!, i, size)
        }
        out.data[r * outSize + o] = sum + (bias?.data[o] ?? 0) + (residual?.data[r * outSize + o] ?? 0)
      }
    }
  }
}

export interface AttentionMistakes {
  /** Looks at all rows of its segment. */
  readonly ahead?: true
  /** Sums from the newest key to the oldest in passes of several rows. */
  readonly turned?: true
  readonly window?: 'all'
  readonly group?: 'in turn'
  readonly parent?: 'ignored'
  readonly scores?: 'as they are'
}

/** Attention in f32, right but for the mistakes asked for. */
export function attentionWith(mistakes: AttentionMistakes): Pick<ReferenceOps, 'attention'> {
  return {
    attention(
      out: F32Tensor,
      queries: F32Tensor,
      options: Parameters<ReferenceOps['attention']>[2] & {
        segments: readonly { cache: ReferenceCache; start: number; count: number }[]
      },
    ) {
      const { layer, segments, headSize, scale, window = Number.POSITIVE_INFINITY } = options
      const size = width(queries)
      const several = queries.shape[0]! > 1
      let row = 0
      for (const { cache, start, count } of segments) {
        const heads = { query: size / headSize, key: cache.width / headSize }
        for (let position = start; position < start + count; position++, row++) {
          const last = mistakes.ahead ? start + count - 1 : position
          const first = mistakes.window === 'all' ? 0 : Math.max(0, position + 1 - window)
          const positions = Array.from({ length: last + 1 - first }, (_, i) => first + i)
          if (mistakes.turned && several) positions.reverse()
          for (let head = 0; head < heads.query; head++) {
            const query = queries.data.subarray(row * size + head * headSize, row * size + (head + 1) * headSize)
            const keyHead =
              mistakes.group === 'in turn' ? head % heads.key : Math.floor((head * heads.key) / heads.query)
            const parts = (table: 'keys' | 'values'): Float32Array[] =>
              positions.map((p) => {
                const owner = mistakes.parent === 'ignored' ? cache : ownerOf(cache, p)
                const at = p * cache.width + keyHead * headSize
                return owner[table][layer]!.subarray(at, at + headSize)
              })
            attendTo(
              out.data.subarray(row * size + head * headSize, row * size + (head + 1) * headSize),
              parts('keys').map((key) => scale * dot(query, key)),
              parts('values'),
              mistakes,
            )
          }
        }
      }
    },
  }
}

function attendTo(
  out: Float32Array,
  scores: readonly number[],
  values: readonly Float32Array[],
  mistakes: AttentionMistakes,
): void {
  const highest = mistakes.scores === 'as they are' ? 0 : scores.reduce((a, b) => Math.max(a, b))
  const weights = scores.map((score) => Math.fround(Math.exp(score - highest)))
  const total = weights.reduce((a, b) => Math.fround(a + b))
  out.fill(0)
  for (const [j, weight] of weights.entries()) {
    for (let i = 0; i < out.length; i++) out[i]! += weight * (values[j]![i] ?? 0)
  }
  for (let i = 0; i < out.length; i++) out[i]! /= total
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * (b[i] ?? 0)
  return sum
}

function ownerOf(cache: ReferenceCache, position: number): ReferenceCache {
  return cache.parent && position < cache.parent.length ? ownerOf(cache.parent.cache, position) : cache
}
