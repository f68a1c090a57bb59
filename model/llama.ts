// Llama (Touvron et al. 2023) as a list of sublayers, any of which a pass may leave out. Mistral, Qwen2 and Qwen3 are Llamas
// with a window, biases, and norms of queries and keys.

import type { Arena, Backend, Segment, Segments, Selection, Tensor } from '../engine/backend.ts'
import { ArgumentError, ShapeError } from '../engine/errors.ts'
import type { Sequence } from './cache.ts'
import type { LlamaConfig } from './config.ts'
import type { DraftHead } from './draft-head.ts'
import { createRopeTables } from './rope.ts'
import { noSkip, planSkip, type SkipSet } from './skip.ts'
import { type LayerWeights, type LinearWeights, type LlamaWeights, weightTensors } from './weights.ts'

/** The rows of one pass: for each sequence consecutive tokens that continue it, and the memory that the pass uses. */
export interface Rows {
  readonly list: readonly SequenceRows[]
  readonly segments: Segments
  readonly count: number
  readonly arena: Arena
}

/** Rows of one sequence: that many, from its length on. */
export interface SequenceRows {
  readonly sequence: Sequence
  readonly count: number
}

/** Which sublayers run: from `from` up to, not including, `to`, less those that are skipped. */
export interface Span {
  readonly from?: number
  readonly to?: number
  readonly skip?: SkipSet
}

export interface Llama {
  readonly backend: Backend
  readonly config: LlamaConfig
  readonly weights: LlamaWeights
  /** Attention and MLP of every layer: `2 * numHiddenLayers`. */
  readonly sublayers: number
  /** The rows that continue these sequences. Throws {@link ArgumentError} where one would leave the context. */
  rows(list: readonly SequenceRows[], arena: Arena): Rows
  /** Token ids, from the host or from `select`, to hidden rows `[ids, hiddenSize]`. */
  embed(ids: Int32Array | Tensor, rows: Rows): Tensor
  /** Hidden rows through the sublayers of a span, `[rows, hiddenSize]`; keys and values of these rows are cached. */
  run(x: Tensor, rows: Rows, span?: Span): Tensor
  /** Hidden rows after the last sublayer to logits `[rows, vocabSize]`, or `[rows, n]` of the tokens of a draft head. */
  head(x: Tensor, rows: Rows, draftHead?: DraftHead): Tensor
  /** The most likely token of each row of logits; of a draft head's, its place among them. */
  select(logits: Tensor, rows: Rows): Selection
}

/** The model of these weights on their backend; `free` frees them, and its tables. */
export function createLlama(backend: Backend, config: LlamaConfig, weights: LlamaWeights): Llama & { free(): void } {
  const { ops } = backend
  const { hiddenSize, headDim, slidingWindow: window, rmsNormEps: epsilon } = config
  const sublayers = 2 * config.numHiddenLayers
  const ropeTables = createRopeTables(backend, config)
  const scale = 1 / Math.sqrt(headDim)

  function rmsNorm(x: Tensor, weight: Tensor, { arena }: Rows): Tensor {
    const out = arena.tensor(x.shape)
    ops.rmsNorm(out, x, { weight, epsilon })
    return out
  }

  /** The product, added to `residual` where one is given. */
  function linear(x: Tensor, map: LinearWeights & { residual?: Tensor }, { arena, count }: Rows): Tensor {
    const { weight, bias, residual } = map
    const out = arena.tensor([count, weight.shape[0]!])
    ops.linear(out, x, { weight, bias, residual })
    return out
  }

  /** Queries or keys, each head normed where the model does that, rotated to their rows' positions. */
  function rotate(x: Tensor, { norm }: LinearWeights, rows: Rows): Tensor {
    const { segments } = rows
    const heads = norm ? rmsNorm(x, norm, rows) : x
    const { cos, sin } = ropeTables.upTo(Math.max(...segments.map(({ start, count }) => start + count)))
    ops.rope(heads, heads, { cos, sin, segments })
    return heads
  }

  /** `x + output(attention(norm(x)))`. */
  function attention(x: Tensor, layer: number, rows: Rows): Tensor {
    const { attentionNorm, query, key, value, output } = weights.layers[layer]!
    const { segments, arena } = rows
    const normed = rmsNorm(x, attentionNorm, rows)
    const queries = linear(normed, query, rows)
    const keys = linear(normed, key, rows)
    const values = linear(normed, value, rows)
    const rotatedQueries = rotate(queries, query, rows)
    ops.storeKV(rotate(keys, key, rows), values, { layer, segments })
    const attended = arena.tensor(queries.shape)
    ops.attention(attended, rotatedQueries, { layer, segments, headSize: headDim, scale, window })
    return linear(attended, { ...output, residual: x }, rows)
  }

  /** `x + down(silu(gate(norm(x))) * up(norm(x)))`. */
  function mlp(x: Tensor, { mlpNorm, gate, up, down }: LayerWeights, rows: Rows): Tensor {
    const normed = rmsNorm(x, mlpNorm, rows)
    const gated = linear(normed, gate, rows)
    ops.swiglu(gated, gated, linear(normed, up, rows))
    return linear(gated, { ...down, residual: x }, rows)
  }

  return {
    backend,
    config,
    weights,
    sublayers,

    rows(list, arena) {
      const segments = list.map(({ sequence, count }): Segment => {
        const { cache, length } = sequence
        if (length + count > cache.capacity) {
          throw new ArgumentError(`${length} + ${count} tokens do not fit the context of ${cache.capacity}`)
        }
        return { cache, start: length, count }
      })
      return { list, segments, arena, count: segments.reduce((sum, { count }) => sum + count, 0) }
    },

    embed(ids, { arena }) {
      const out = arena.tensor([ids instanceof Int32Array ? ids.length : ids.shape[0]!, hiddenSize])
      ops.embed(out, ids, { table: weights.embedding })
      return out
    },

    run(x, rows, { from = 0, to = sublayers, skip = noSkip } = {}) {
      for (const [i, { start }] of rows.segments.entries()) {
        const { length } = rows.list[i]!.sequence
        if (start !== length) throw new ShapeError(`rows start at ${start}, but their sequence has ${length} rows`)
      }
      if (!(Number.isSafeInteger(from) && Number.isSafeInteger(to) && 0 <= from && from <= to && to <= sublayers)) {
        throw new ShapeError(`cannot run sublayers ${from} to ${to} of ${sublayers}`)
      }
      const { skipped } = planSkip(skip, config.numHiddenLayers)
      let hidden = x
      for (let sublayer = from; sublayer < to; sublayer++) {
        if (skipped[sublayer]) continue
        const layer = sublayer >> 1
        hidden = sublayer % 2 === 0 ? attention(hidden, layer, rows) : mlp(hidden, weights.layers[layer]!, rows)
      }
      return hidden
    },

    head(x, rows, draftHead) {
      const { weight } = draftHead ?? { weight: weights.head }
      return linear(rmsNorm(x, weights.norm, rows), { weight }, rows)
    },

    select(logits, { arena, count }) {
      const selection = { ids: arena.tensor([count], 'i32'), scores: arena.tensor([count, 2]) }
      ops.select(selection, logits, {})
      return selection
    },

    free() {
      for (const tensor of weightTensors(weights)) backend.free(tensor)
      ropeTables.free()
    },
  }
}
