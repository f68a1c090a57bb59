// Sequences: the tokens whose keys and values a cache holds. Going back is a change of one number.

import type { Backend, KVCache } from '../engine/backend.ts'
import { ShapeError } from '../engine/errors.ts'
import type { LlamaConfig } from './config.ts'

/** One text in progress. Rows of a pass start at its `length`. `advance`, `truncate` and `commit` move it. */
export interface Sequence {
  readonly cache: KVCache
  /** Rows that count as cached. While a draft runs it is ahead of `tokens`; at rest it equals their number. */
  length: number
  /** Ids of the committed rows. */
  readonly tokens: number[]
  /** Frees the cache. Disposing twice does nothing. */
  dispose(): void
}

/** An empty sequence of a model with this config. */
export function createSequence(backend: Backend, config: LlamaConfig): Sequence {
  const cache = backend.createCache({
    layers: config.numHiddenLayers,
    width: config.numKeyValueHeads * config.headDim,
    capacity: config.maxPositionEmbeddings,
  })
  return { cache, length: 0, tokens: [], dispose: () => backend.free(cache) }
}

/** Counts `rows` more rows as cached, after a pass has stored them. */
export function advance(sequence: Sequence, rows: number): void {
  sequence.length += rows
}

/** Keeps the first `length` rows. O(1) in memory: what stood behind them is overwritten later. Throws {@link ShapeError}. */
export function truncate(sequence: Sequence, length: number): void {
  if (!Number.isSafeInteger(length) || length < 0 || length > sequence.length) {
    throw new ShapeError(`a sequence of ${sequence.length} rows cannot be truncated to ${length}`)
  }
  sequence.length = length
  if (sequence.tokens.length > length) sequence.tokens.length = length
}

/** Declares that the next rows hold these tokens, now that they are the model's own: `length` is then theirs. */
export function commit(sequence: Sequence, tokens: readonly number[]): void {
  for (const token of tokens) sequence.tokens.push(token)
  sequence.length = sequence.tokens.length
}

/** Keeps the rows that `ids` begins with, and says how many these are; all but the last id at most. */
export function reusePrefix(sequence: Sequence, ids: readonly number[]): number {
  let common = 0
  while (common < ids.length - 1 && sequence.tokens[common] === ids[common]) common++
  truncate(sequence, Math.min(common, sequence.length))
  return sequence.length
}
