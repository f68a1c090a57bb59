// Exercise: causal attention over a cache. What to do says attention.md.

import { type BackendModule, type Segments, withOps } from 'drafthorse/engine'
import { type F32Tensor, type ReferenceCache, type ReferenceTensor, reference } from 'drafthorse/engine/reference'

interface Options {
  readonly layer: number
  /** Whose rows these are: `count` of one sequence, from position `start` on, then those of the next. */
  readonly segments: Segments<ReferenceCache>
  readonly headSize: number
  readonly scale: number
  readonly window?: number | undefined
}

/**
 * The row at position p attends to positions `0 .. p` of its own sequence, or to the last `window` of these, with weights
 * `softmax(scale * q . k)`. `out` and `queries` `[rows, heads * headSize]`; query head h reads key/value head
 * `floor(h * kvHeads / heads)`.
 */
function attention(out: F32Tensor, queries: F32Tensor, { layer, segments, headSize }: Options): void {
  const heads = queries.shape[1]! / headSize
  let row = 0
  for (const { cache, start, count } of segments) {
    const kvHeads = cache.width / headSize
    for (let position = start; position < start + count; position++, row++) {
      for (let head = 0; head < heads; head++) {
        // Where the query begins in queries.data, and its result in out.data.
        const query = (row * heads + head) * headSize
        // Where the key of this position begins in cache.keys[layer], and its value in cache.values[layer].
        const at = position * cache.width + Math.floor((head * kvHeads) / heads) * headSize
        // Yours. Until then each row sees nothing but its own position.
        out.data.set(cache.values[layer]!.subarray(at, at + headSize), query)
      }
    }
  }
}

const backend: BackendModule<ReferenceTensor> = withOps(reference, { attention })

export default backend
