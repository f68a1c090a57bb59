// The few operations that everything here is made of, on any TensorFlow.js backend. Each call runs at once and costs about
// the same whatever its size, so they are counted: their number is what a pass costs.

import type { HostArray } from '../backend.ts'
import type { Tf, TfTensor } from './tf.ts'

/** Reductions go over the last axis and keep it; operands broadcast. */
export interface Eager {
  /**
   * Products broadcast any of the axes before the last two. Without it they repeat the matrices of `b`, which is the same
   * where these are the last of the axes of `a`.
   */
  readonly broadcasts: boolean
  /** Its scatter writes the values that it is given, one of them where a place is named twice. */
  readonly scatters: boolean
  /** Products are dear: what can be done element by element is. */
  readonly dearProducts: boolean
  add(a: TfTensor, b: TfTensor): TfTensor
  sub(a: TfTensor, b: TfTensor): TfTensor
  mul(a: TfTensor, b: TfTensor): TfTensor
  div(a: TfTensor, b: TfTensor): TfTensor
  square(x: TfTensor): TfTensor
  sqrt(x: TfTensor): TfTensor
  /** The larger of two values. */
  maximum(a: TfTensor, b: TfTensor): TfTensor
  exp(x: TfTensor): TfTensor
  log(x: TfTensor): TfTensor
  sigmoid(x: TfTensor): TfTensor
  sum(x: TfTensor): TfTensor
  mean(x: TfTensor): TfTensor
  max(x: TfTensor): TfTensor
  /** `[..., n]` to i32 `[...]`. */
  argMax(x: TfTensor): TfTensor
  /** `a [..., m, k]` times `b [..., k, n]`. */
  matMul(a: TfTensor, b: TfTensor): TfTensor
  /** `a [..., m, k]` times the transpose of `b [..., n, k]`. */
  matMulTransposed(a: TfTensor, b: TfTensor): TfTensor
  /** As `matMulTransposed`, by another kernel: of two axes only, and quicker for few rows. */
  smallMatMulTransposed(a: TfTensor, b: TfTensor): TfTensor
  /** As `matMul`, by a kernel that treats every row of the pass, the first axis, by itself. */
  rowMatMul(a: TfTensor, b: TfTensor): TfTensor
  /** As `matMulTransposed`, likewise. */
  rowMatMulTransposed(a: TfTensor, b: TfTensor): TfTensor
  reshape(x: TfTensor, shape: readonly number[]): TfTensor
  transpose(x: TfTensor, order: readonly number[]): TfTensor
  concat(parts: readonly TfTensor[], axis: number): TfTensor
  slice(x: TfTensor, begin: readonly number[], size: readonly number[]): TfTensor
  /** `indices` i32 `[n]`. */
  gather(x: TfTensor, indices: TfTensor, axis: number): TfTensor
  /** A copy of `x` with `updates` at the places that `indices [..., depth]` name. */
  scatter(x: TfTensor, indices: TfTensor, updates: TfTensor): TfTensor
}

export interface Quirks {
  /** Its matMul has a kernel of its own for a single matrix: so rows are never taken alone. */
  readonly pairs: boolean
  /** Its argMax takes any of the highest: the lowest is found another way. */
  readonly ties: boolean
  /** Its scatter adds up what goes to one place, and blends it with what was there, which rounds. */
  readonly blends: boolean
  /** Its max ends at -1e20. */
  readonly shallow: boolean
  /** Rotations are computed element by element, since products are dear. */
  readonly dearProducts: boolean
  /** The rows of a pass are multiplied as matrices of one row each. */
  readonly singly: boolean
  /** Chooses the kernel of the next product, by the rows of its matrices where these are the same in every pass. */
  readonly choose?: ((rows: number | 'any') => void) | undefined
}

export const noQuirks: Quirks = {
  pairs: false,
  ties: false,
  blends: false,
  shallow: false,
  dearProducts: false,
  singly: false,
}

/** The operations by TensorFlow.js's public functions. */
export function publicEager(tf: Tf, { pairs, ties, blends, shallow, dearProducts, singly, choose }: Quirks): Eager {
  const byRow = (transposed: boolean) => {
    const product = (a: TfTensor, b: TfTensor): TfTensor => {
      choose?.(a.shape.at(-2)!)
      return tf.matMul(a, b, false, transposed)
    }
    return pairs ? neverSingle(product, tf) : product
  }
  const product = (transposed: boolean) => (a: TfTensor, b: TfTensor) => {
    choose?.(singly ? 1 : 'any')
    if (!singly) return tf.matMul(a, b, false, transposed)
    const rows = tf.reshape(a, [a.shape[0]!, 1, a.shape[1]!])
    const products = tf.matMul(rows, b, false, transposed)
    const joined = tf.reshape(products, [a.shape[0]!, products.shape[2]!])
    rows.dispose()
    products.dispose()
    return joined
  }
  return {
    broadcasts: false,
    scatters: !blends,
    dearProducts,
    add: tf.add,
    sub: tf.sub,
    mul: tf.mul,
    div: tf.div,
    square: tf.square,
    sqrt: tf.sqrt,
    maximum: tf.maximum,
    exp: tf.exp,
    log: tf.log,
    sigmoid: tf.sigmoid,
    sum: (x) => tf.sum(x, -1, true),
    mean: (x) => tf.mean(x, -1, true),
    max: (x) => (shallow && x.shape.length === 2 ? deepMax(tf, x) : tf.max(x, -1, true)),
    argMax: (x) => (ties ? lowestArgMax(tf, x) : tf.argMax(x, -1)),
    matMul: product(false),
    matMulTransposed: product(true),
    smallMatMulTransposed: product(true),
    rowMatMul: byRow(false),
    rowMatMulTransposed: byRow(true),
    reshape: tf.reshape,
    transpose: tf.transpose,
    concat: tf.concat,
    slice: tf.slice,
    gather: tf.gather,
    scatter: tf.tensorScatterUpdate,
  }
}

/** A product that takes a single matrix twice, because its library has a kernel of its own for one alone. */
export function neverSingle(
  product: (a: TfTensor, b: TfTensor) => TfTensor,
  { concat, slice }: Pick<Eager, 'concat' | 'slice'>,
): (a: TfTensor, b: TfTensor) => TfTensor {
  return (a, b) => {
    const isSingle = b.shape[0] === 1 && a.shape.slice(0, -2).every((size) => size === 1)
    if (!isSingle) return product(a, b)
    const two = concat([a, a], 0)
    const products = product(two, b)
    const first = slice(products, Array(products.shape.length).fill(0), [1, ...products.shape.slice(1)])
    two.dispose()
    products.dispose()
    return first
  }
}

/** Each winner gets its distance from the end; the largest of these is the first winner's. `x [rows, n]`. */
function lowestArgMax(tf: Tf, x: TfTensor): TfTensor {
  const [rows, size] = [x.shape[0]!, x.shape[1]!]
  const highest = tf.max(x, -1, true)
  const wins = tf.equal(x, highest)
  const distances = tf.tensor(
    Float32Array.from({ length: size }, (_, i) => size - i),
    [size],
    'float32',
  )
  const scores = tf.mul(wins, distances)
  const furthest = tf.max(scores, -1, false)
  const sizes = tf.tensor(new Float32Array(rows).fill(size), [rows], 'float32')
  const first = tf.sub(sizes, furthest)
  const ids = tf.cast(first, 'int32')
  for (const tensor of [highest, wins, distances, scores, furthest, sizes, first]) tensor.dispose()
  return ids
}

/** The value at the winner's place. `x [rows, n]`. */
function deepMax(tf: Tf, x: TfTensor): TfTensor {
  const winners = tf.argMax(x, -1)
  const starts = tf.tensor(rowStarts(x), [x.shape[0]!], 'int32')
  const highest = valuesAt(tf, x, { places: winners, starts })
  winners.dispose()
  starts.dispose()
  return highest
}

/** The value of each row of `x [rows, n]` at its place of `places [rows]`, `[rows, 1]`; `starts` are those of the rows. */
export function valuesAt(
  { add, gather, reshape }: Pick<Eager, 'add' | 'gather' | 'reshape'>,
  x: TfTensor,
  { places, starts }: { places: TfTensor; starts: TfTensor },
): TfTensor {
  const rows = x.shape[0]!
  const flat = reshape(x, [rows * x.shape[1]!])
  const inFlat = add(places, starts)
  const values = gather(flat, inFlat, 0)
  const column = reshape(values, [rows, 1])
  for (const tensor of [flat, inFlat, values]) tensor.dispose()
  return column
}

/** Where the rows of `x [rows, n]` start. */
export function rowStarts({ shape }: TfTensor): Int32Array {
  const [rows, size] = [shape[0]!, shape[1]!]
  return Int32Array.from({ length: rows }, (_, row) => row * size)
}

/** The same operations, counted. */
export function counted(eager: Eager, count: () => void): Eager {
  function wrap<A extends readonly unknown[]>(operation: (...args: A) => TfTensor): (...args: A) => TfTensor {
    return (...args) => {
      count()
      return operation(...args)
    }
  }
  return {
    broadcasts: eager.broadcasts,
    scatters: eager.scatters,
    dearProducts: eager.dearProducts,
    add: wrap(eager.add),
    sub: wrap(eager.sub),
    mul: wrap(eager.mul),
    div: wrap(eager.div),
    square: wrap(eager.square),
    sqrt: wrap(eager.sqrt),
    maximum: wrap(eager.maximum),
    exp: wrap(eager.exp),
    log: wrap(eager.log),
    sigmoid: wrap(eager.sigmoid),
    sum: wrap(eager.sum),
    mean: wrap(eager.mean),
    max: wrap(eager.max),
    argMax: wrap(eager.argMax),
    matMul: wrap(eager.matMul),
    matMulTransposed: wrap(eager.matMulTransposed),
    smallMatMulTransposed: wrap(eager.smallMatMulTransposed),
    rowMatMul: wrap(eager.rowMatMul),
    rowMatMulTransposed: wrap(eager.rowMatMulTransposed),
    reshape: wrap(eager.reshape),
    transpose: wrap(eager.transpose),
    concat: wrap(eager.concat),
    slice: wrap(eager.slice),
    gather: wrap(eager.gather),
    scatter: wrap(eager.scatter),
  }
}

/** A tensor of a copy of these numbers. */
export function fromHost(tf: Tf, data: HostArray, shape: readonly number[]): TfTensor {
  return tf.tensor(data.slice(), shape, data instanceof Int32Array ? 'int32' : 'float32')
}
