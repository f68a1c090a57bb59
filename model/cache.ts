// Sequences: the tokens whose keys and values a cache holds. Going back is a change of one number. Several may continue one
// that they share.

import type { Backend, KVCache } from '../engine/backend.ts'
import { ArgumentError, DisposedError, ShapeError } from '../engine/errors.ts'
import type { LlamaConfig } from './config.ts'

/** One text in progress. Rows of a pass start at its `length`. `advance`, `truncate` and `commit` move it. */
export interface Sequence {
  readonly cache: KVCache
  /** Rows that count as cached. While a draft runs it is ahead of `tokens`; at rest it equals their number. */
  length: number
  /** Ids of the committed rows. */
  readonly tokens: number[]
  /** The sequence whose first `length` rows it reads in place of rows of its own. */
  readonly parent?: { readonly sequence: Sequence; readonly length: number } | undefined
  readonly disposed: boolean
  /** How many of its rows it shares, with its parent or with a child: so many have to stay. */
  sharedRows(): number
  /** Frees the cache, once the sequences that read it are disposed as well. Disposing twice does nothing. */
  dispose(): void
}

export interface SequenceOptions {
  /** A sequence whose first rows are the beginning of the new one, without a copy. */
  readonly parent?: Sequence | undefined
  /** How many of the parent's rows; default: all that have tokens. */
  readonly length?: number | undefined
}

interface Life {
  /** The sequences that read its rows, as long as their caches are needed. */
  readonly children: Set<Sequence>
  disposed: boolean
  free(): void
}

const lives = new WeakMap<Sequence, Life>()

/**
 * A sequence of a model with this config: empty, or the continuation of a parent, with the parent's tokens. Rows that are
 * shared are nobody's to change: neither the parent nor a child can be truncated to fewer while both live; both may grow.
 * They can be disposed in any order. Throws {@link ShapeError} for more rows than the parent has tokens, and
 * {@link DisposedError} for a parent that was disposed.
 */
export function createSequence(
  backend: Backend,
  config: LlamaConfig,
  options: SequenceOptions & { readonly onDispose?: () => void } = {},
): Sequence {
  const { parent } = options
  const shared = parent && { sequence: parent, length: rowsToShare(parent, options.length) }
  const cache = backend.createCache({
    layers: config.numHiddenLayers,
    width: config.numKeyValueHeads * config.headDim,
    capacity: config.maxPositionEmbeddings,
    ...(shared && { parent: { cache: shared.sequence.cache, length: shared.length } }),
  })
  const tokens = shared ? shared.sequence.tokens.slice(0, shared.length) : []
  const life: Life = { children: new Set(), disposed: false, free: () => backend.free(cache) }
  const sequence: Sequence = {
    cache,
    length: tokens.length,
    tokens,
    parent: shared,
    get disposed() {
      return life.disposed
    },
    sharedRows() {
      const { length = 0 } = shared ?? {}
      return Math.max(length, ...[...life.children].map((child) => child.parent!.length))
    },
    dispose() {
      if (life.disposed) return
      life.disposed = true
      options.onDispose?.()
      freeUnused(sequence)
    },
  }
  lives.set(sequence, life)
  if (parent) lifeOf(parent).children.add(sequence)
  return sequence
}

function lifeOf(sequence: Sequence): Life {
  const life = lives.get(sequence)
  if (!life) throw new ArgumentError('a sequence is what createSequence makes, and no copy of one')
  return life
}

/** Throws {@link DisposedError} for a sequence that was disposed. */
export function expectLive({ disposed }: Sequence): void {
  if (disposed) throw new DisposedError('the sequence was disposed; create another')
}

function rowsToShare(parent: Sequence, length = parent.tokens.length): number {
  if (lifeOf(parent).disposed) throw new DisposedError('the parent of a new sequence was disposed')
  const { tokens } = parent
  if (Number.isSafeInteger(length) && length >= 0 && length <= Math.min(tokens.length, parent.length)) return length
  throw new ShapeError(
    `a sequence cannot begin with ${length} rows of one that has ${parent.length}, ${tokens.length} of them with tokens`,
  )
}

/** Frees a cache that nobody reads any more, then those that were kept for it. */
function freeUnused(sequence: Sequence): void {
  const { disposed, children, free } = lifeOf(sequence)
  if (!disposed || children.size > 0) return
  free()
  const parent = sequence.parent?.sequence
  if (!parent) return
  lifeOf(parent).children.delete(sequence)
  freeUnused(parent)
}

/** Counts `rows` more rows as cached, after a pass has stored them. */
export function advance(sequence: Sequence, rows: number): void {
  sequence.length += rows
}

/**
 * Keeps the first `length` rows. O(1) in memory: what stood behind them is overwritten later. Throws {@link ShapeError} for
 * more rows than there are, and for fewer than it shares with its parent or a child.
 */
export function truncate(sequence: Sequence, length: number): void {
  if (!Number.isSafeInteger(length) || length < 0 || length > sequence.length) {
    throw new ShapeError(`a sequence of ${sequence.length} rows cannot be truncated to ${length}`)
  }
  const fixed = sequence.sharedRows()
  if (length < fixed) {
    throw new ShapeError(
      `a sequence cannot be truncated to ${length} rows while it shares ${fixed} with another; dispose of that, or use one of its own`,
    )
  }
  sequence.length = length
  if (sequence.tokens.length > length) sequence.tokens.length = length
}

/** Declares that the next rows hold these tokens, now that they are the model's own: `length` is then theirs. */
export function commit(sequence: Sequence, tokens: readonly number[]): void {
  for (const token of tokens) sequence.tokens.push(token)
  sequence.length = sequence.tokens.length
}

/**
 * Keeps the rows that `ids` begins with, and says how many these are; all but the last id at most. Throws {@link ShapeError}
 * where rows that it shares with another sequence are not among them.
 */
export function reusePrefix(sequence: Sequence, ids: readonly number[]): number {
  let common = 0
  while (common < ids.length - 1 && sequence.tokens[common] === ids[common]) common++
  truncate(sequence, Math.min(common, sequence.length))
  return sequence.length
}
