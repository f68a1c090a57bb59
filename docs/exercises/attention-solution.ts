// A solution of attention.md that reads each key and each value once: the softmax is kept up to date position by position
// (Milakov and Gimelshein 2018, Online normalizer calculation for softmax).

import { type BackendModule, type Segments, withOps } from 'drafthorse/engine'
import { type F32Tensor, type ReferenceCache, type ReferenceTensor, reference } from 'drafthorse/engine/reference'

interface Options {
  readonly layer: number
  readonly segments: Segments<ReferenceCache>
  readonly headSize: number
  readonly scale: number
  readonly window?: number | undefined
}

/** The cache that has a position: this one, or the one that it continues. */
function ownerOf(cache: ReferenceCache, position: number): ReferenceCache {
  return cache.parent && position < cache.parent.length ? ownerOf(cache.parent.cache, position) : cache
}

function attention(out: F32Tensor, queries: F32Tensor, options: Options): void {
  const { layer, segments, headSize, scale, window = Number.POSITIVE_INFINITY } = options
  const heads = queries.shape[1]! / headSize
  const sums = new Float64Array(headSize)
  let row = 0
  for (const { cache, start, count } of segments) {
    const kvHeads = cache.width / headSize
    for (let position = start; position < start + count; position++, row++) {
      for (let head = 0; head < heads; head++) {
        const query = (row * heads + head) * headSize
        const key = Math.floor((head * kvHeads) / heads) * headSize
        let [largest, total] = [Number.NEGATIVE_INFINITY, 0]
        sums.fill(0)
        for (let p = Math.max(0, position + 1 - window); p <= position; p++) {
          const { keys, values } = ownerOf(cache, p)
          const at = p * cache.width + key
          let score = 0
          for (let i = 0; i < headSize; i++) score += queries.data[query + i]! * keys[layer]![at + i]!
          score *= scale

          // What was summed up so far was weighed by the largest score until now.
          const before = largest
          largest = Math.max(largest, score)
          const [shrink, weight] = [Math.exp(before - largest), Math.exp(score - largest)]
          total = total * shrink + weight
          for (let i = 0; i < headSize; i++) sums[i] = sums[i]! * shrink + weight * values[layer]![at + i]!
        }
        for (let i = 0; i < headSize; i++) out.data[query + i] = sums[i]! / total
      }
    }
  }
}

const backend: BackendModule<ReferenceTensor> = withOps(reference, { attention })

export default backend
