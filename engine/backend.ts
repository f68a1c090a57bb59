// The whole contract between a model and the hardware. A backend is what this file describes and nothing else: ten
// coarse ops over opaque tensor handles, and the memory they live in.
//
// The promise that the rest of the package is built on, row invariance: what an op writes to a row depends on that row
// and on its sequence's earlier cache entries, never on which other rows share the pass, nor on the number of threads.
// Bit for bit. So an op fixes its reduction order and runs the same instructions for one row as for many.
//
// Ops are recorded and may run later, in the order of the calls; `read` waits for them. A backend may as well run each
// at once. What the host passes (ids, rows, segments) is taken at the call, and freeing or releasing a tensor afterwards
// does not undo an op that was recorded with it. Shapes and types are checked before an op is called (checks.ts), so a
// kernel can trust them.

import type { DType, WeightDType } from './dtype.ts'

/** A handle to numbers that live in a backend's memory, row-major. */
export interface Tensor {
  readonly shape: readonly number[]
  readonly dtype: DType
}

/** Keys and values of one sequence: per layer two tables `[capacity, width]`. Made by {@link Backend.createCache}. */
export interface KVCache {
  readonly layers: number
  /** Values in one row of one table: key/value heads times head size. */
  readonly width: number
  /** Positions that it can hold; memory is taken as they are used. */
  readonly capacity: number
  /**
   * Positions `0 .. parent.length - 1` are read from another cache, which several sequences may share, and which may have
   * a parent itself; they cannot be stored here. The parent has to live as long as its children are used.
   */
  readonly parent?: { readonly cache: KVCache; readonly length: number }
}

/** Consecutive rows of one sequence: its positions `start .. start + count - 1`. */
export interface Segment<C extends KVCache = KVCache> {
  readonly cache: C
  readonly start: number
  readonly count: number
}

/** The rows of one pass, in the order in which tensors `[rows, ...]` hold them; each sequence at most once. */
export type Segments<C extends KVCache = KVCache> = readonly Segment<C>[]

/** What `select` found in each row of logits. */
export interface Selection<T extends Tensor = Tensor> {
  /** `i32 [rows]`: the id with the highest logit (plus noise, where given), the lowest such id on ties. */
  readonly ids: T
  /** `f32 [rows, 2]`, without noise: that id's logit, and `log(sum(exp(logits)))` of the row; NaN if any logit is. */
  readonly scores: T
}

/**
 * The kernels. `out` is always given, is f32 unless said otherwise, and is none of the inputs unless said otherwise; the
 * number of rows is `out.shape[0]`. Methods, so that a backend can name its own handle type.
 */
export interface Ops<T extends Tensor = Tensor> {
  /**
   * Looks token ids up. `out [rows, hidden]`; `ids` i32 `[rows]`, from the host or from `select`;
   * `table [vocabulary, hidden]` of any weight type. The ids of a tensor are trusted to be in the vocabulary.
   */
  embed(out: T, ids: Int32Array | T, options: { table: T }): void

  /**
   * `out = x / sqrt(mean(x^2) + epsilon) * weight`, the mean over each run of `weight`'s size along the last axis.
   * `out` and `x` `[rows, n * size]`, `weight` f32 `[size]`; with n > 1 it is the q/k norm of each head.
   */
  rmsNorm(out: T, x: T, options: { weight: T; epsilon: number }): void

  /**
   * `out = x * weight^T + bias + residual`. `x [rows, in]`, `weight [out, in]` of any weight type, `bias` f32 `[out]`,
   * `residual` shaped as `out` (and may be `out`: then the product is added to what is there).
   */
  linear(out: T, x: T, options: { weight: T; bias?: T | undefined; residual?: T | undefined }): void

  /**
   * Rotates each head's pairs `(i, i + half)` by the angle of the row's position (Su et al., RoFormer; Hugging Face's
   * half-split layout). `out` and `x` `[rows, heads * 2 * half]`, and may be the same tensor; `cos` and `sin` f32
   * `[positions, half]`.
   */
  rope(out: T, x: T, options: { cos: T; sin: T; segments: Segments }): void

  /** Writes keys and values f32 `[rows, width]` to one layer of each segment's cache, at the rows' positions. */
  storeKV(keys: T, values: T, options: { layer: number; segments: Segments }): void

  /**
   * Causal attention. `out` and `queries` `[rows, heads * headSize]`. The row at position p attends to the keys of its own
   * sequence at positions `0 .. p` (with `window`: the last `window` of these), which its own pass has stored already.
   * Heads are grouped: query head h reads key/value head `floor(h * kvHeads / heads)`. Weights are
   * `softmax(scale * q . k)`.
   */
  attention(
    out: T,
    queries: T,
    options: { layer: number; segments: Segments; headSize: number; scale: number; window?: number | undefined },
  ): void

  /** `out = silu(gate) * up`, elementwise, `[rows, n]` (Shazeer 2020); `out` may be `gate` or `up`. */
  swiglu(out: T, gate: T, up: T): void

  /** `out[at + i] = x[rows[i]]`, whole rows; other rows of `out` keep their values. */
  copyRows(out: T, x: T, options: { rows: readonly number[]; at: number }): void

  /**
   * Copies positions `from .. to - 1` of every layer from another cache of the same shape, or from where that one reads
   * them, to the same positions.
   */
  copyKV(out: KVCache, source: KVCache, options: { from: number; to: number }): void

  /** Finds the winner of each row of `logits [rows, vocabulary]`; `noise`, of the same shape, is for sampling. */
  select(out: Selection<T>, logits: T, options: { noise?: T | undefined }): void
}

export type OpName = keyof Ops

/** Memory of one pass or one round. What it made is gone after `release`. */
export interface Arena<T extends Tensor = Tensor> {
  /** A tensor of unset values. */
  tensor(shape: readonly number[], dtype?: 'f32' | 'i32'): T
  release(): void
}

export interface Capabilities {
  /**
   * `true`: the promise above holds. `'fixed-width'`: it holds among passes padded to one number of rows.
   * `false`: it does not hold.
   */
  readonly rowInvariant: true | 'fixed-width' | false
  /** What opening found of row invariance, in words, where that differs by device. */
  readonly invariance?: string | undefined
  /**
   * The one number of rows that all products have (`inForce`), or could have: then a row alone has a kernel of its own, and what
   * one width would cost can be measured. Absent where neither is so.
   */
  readonly oneWidth?: { readonly rows: number; readonly inForce: boolean } | undefined
  /** Weight types that it runs, the one it runs fastest first. */
  readonly dtypes: readonly WeightDType[]
  readonly threads: number
  /** Rows past which a pass gains nothing from more: long prompts are cut into passes of this many. */
  readonly passRows: number
  /** What it runs on, in words. */
  readonly device: string
  readonly kind: 'software' | 'hardware'
  /** Where reading a result costs next to nothing beside a pass, so that a draft may be looked at after every token. */
  readonly freeReads?: true
}

/** Live memory, apart from arenas already released. */
export interface MemoryUse {
  readonly tensors: number
  readonly caches: number
  readonly arenas: number
  readonly bytes: number
}

/** A weight to come: a matrix `[out, in]`, a table `[vocabulary, hidden]`, a norm or a bias. */
export interface WeightSpec {
  readonly shape: readonly number[]
  readonly dtype: WeightDType
}

export type HostArray = Float32Array | Int32Array

export interface Backend<T extends Tensor = Tensor> {
  readonly name: string
  readonly capabilities: Capabilities
  readonly ops: Ops<T>

  /**
   * Told of all weights of a model before the first of them is read, so that it can say in time that they do not fit, and
   * see to it that products of their shapes keep its promises. Throws `OutOfMemoryError`.
   */
  prepare?(weights: readonly WeightSpec[]): Promise<void>

  /** Takes a copy of `data`: numbers of the type itself, or the bytes of its blocks. Freed by `free`. */
  upload(data: HostArray | Uint8Array, spec: { shape: readonly number[]; dtype: DType }): T

  createCache(spec: {
    layers: number
    width: number
    capacity: number
    parent?: { cache: KVCache; length: number }
  }): KVCache

  arena(): Arena<T>

  /** Runs what was recorded, then copies f32 and i32 tensors to the host, in one go. */
  read(tensors: readonly T[]): Promise<HostArray[]>

  /** Frees an uploaded tensor or a cache. Freeing twice does nothing. */
  free(handle: T | KVCache): void

  memory(): MemoryUse

  /** How many operations of its library it has run since it was opened, where it is made of such and counts them. */
  operations?(): number

  /** Bytes of arrays that it has copied to its device, or into its kernels' memory, since it was opened. */
  uploaded?(): number

  /** Frees everything. Later calls throw `DisposedError`, but for `memory`, `free` and `dispose`, which do nothing. */
  dispose(): Promise<void>
}

export interface OpenOptions {
  /** Threads to use, where the backend has a choice; default: as many as there are cores, or as pay. */
  readonly threads?: number | undefined
  /** In browsers: where the wasm backend's `drafthorse/engine/wasm/worker.js` is, if the bundler does not see to that. */
  readonly workerUrl?: string | URL | undefined
}

/** How a backend is published: a module's default export, or an entry of `listBackends()`. */
export interface BackendModule<T extends Tensor = Tensor> {
  readonly name: string
  /** Says in one line why it cannot run here, or nothing when it can. */
  unavailable?(): Promise<string | undefined>
  open(options: OpenOptions): Promise<Backend<T>>
}
