// Causal attention of grouped heads over cached keys and values (Vaswani et al. 2017; Ainslie et al. 2023).

import type { Segments } from '../backend.ts'
import { ownerOf, type ReferenceCache } from './kv-cache.ts'
import { dot } from './linear.ts'
import { type F32Tensor, width } from './tensor.ts'

/**
 * Each row attends to the positions `first .. p` of its own sequence, always in this order, so the result does not
 * depend on how the rows came into the pass.
 */
export function attention(
  out: F32Tensor,
  queries: F32Tensor,
  options: {
    layer: number
    segments: Segments<ReferenceCache>
    headSize: number
    scale: number
    window?: number | undefined
  },
): void {
  const { layer, segments, headSize, scale, window = Number.POSITIVE_INFINITY } = options
  const size = width(queries)
  const heads = size / headSize
  const sums = new Float64Array(headSize)
  let row = 0
  for (const { cache, start, count } of segments) {
    const queriesPerKey = heads / (cache.width / headSize)
    const weights = new Float64Array(start + count)
    for (let position = start; position < start + count; position++, row++) {
      const first = Math.max(0, position + 1 - window)
      for (let head = 0; head < heads; head++) {
        const query = row * size + head * headSize
        const keyHead = Math.floor(head / queriesPerKey) * headSize

        let largest = Number.NEGATIVE_INFINITY
        for (let p = first; p <= position; p++) {
          const keys = ownerOf(cache, p).keys[layer]!
          weights[p] = scale * dot(queries.data, query, keys, p * cache.width + keyHead, headSize)
          largest = Math.max(largest, weights[p]!)
        }

        let total = 0
        sums.fill(0)
        for (let p = first; p <= position; p++) {
          const weight = Math.exp(weights[p]! - largest)
          const values = ownerOf(cache, p).values[layer]!
          const at = p * cache.width + keyHead
          for (let i = 0; i < headSize; i++) sums[i]! += weight * values[at + i]!
          total += weight
        }
        for (let i = 0; i < headSize; i++) out.data[query + i] = sums[i]! / total
      }
    }
  }
}
