// What the ops of one open backend share: the operations, the rows at which products run, constants, and counts.

import type { Eager } from './eager.ts'
import { fromHost } from './eager.ts'
import type { Tf, TfTensor } from './tf.ts'

/**
 * The rows at which products run: fewer than `min` are padded to as many, and more than `max` are cut, because libraries
 * choose kernels by the number of rows. Within the limits they were found to give equal bits.
 */
export interface RowLimits {
  /** The small one starts no threads. */
  readonly kernel: 'small' | 'large'
  readonly min: number
  readonly max: number
}

export interface Device {
  readonly tf: Tf
  readonly eager: Eager
  /** Set once, by the probe at opening. Passes are padded to it. */
  limits: RowLimits
  /** Limits of products with weights `[out, in]` that were tried by themselves. */
  readonly shapeLimits: Map<string, RowLimits>
  /** Shapes `[out, in]` of weights for whose products no limits hold. */
  readonly unfit: Set<string>
  /** The size of the heads in a cache's rows of a width, as attention last saw it: `[width]` to head size. */
  readonly headSizes: Map<number, number>
  /** The axes behind the rows that attention wants queries of a width in: kv heads, heads of each, head size. */
  readonly queryAxes: Map<number, readonly number[]>
  /** Operations run since opening. */
  operations: number
  /** A tensor that is the same in every pass. */
  constant(key: string, make: () => TfTensor): TfTensor
  /** A tensor of this pass: of its positions, for example. */
  ofPass(key: string, make: () => TfTensor): TfTensor
  /** Frees what belongs to a pass. */
  endPass(): void
  /** Frees and forgets what the ops have kept. */
  forget(): void
  numbers(values: readonly number[], shape: readonly number[]): TfTensor
  integers(values: readonly number[], shape: readonly number[]): TfTensor
}

export function createDevice(tf: Tf, makeEager: (count: () => void) => Eager): Device {
  const constants = new Map<string, TfTensor>()
  const passing = new Map<string, TfTensor>()
  const cached = (map: Map<string, TfTensor>) => (key: string, make: () => TfTensor) => {
    const known = map.get(key)
    if (known) return known
    const made = make()
    map.set(key, made)
    return made
  }
  function clear(map: Map<string, TfTensor>): void {
    for (const tensor of map.values()) tensor.dispose()
    map.clear()
  }
  const device: Device = {
    tf,
    eager: makeEager(() => void device.operations++),
    limits: { kernel: 'large', min: 1, max: Number.POSITIVE_INFINITY },
    shapeLimits: new Map(),
    unfit: new Set(),
    headSizes: new Map(),
    queryAxes: new Map(),
    operations: 0,
    constant: cached(constants),
    ofPass: cached(passing),
    endPass: () => clear(passing),
    numbers: (values, shape) => fromHost(tf, Float32Array.from(values), shape),
    integers: (values, shape) => fromHost(tf, Int32Array.from(values), shape),
    forget() {
      clear(constants)
      clear(passing)
      device.headSizes.clear()
      device.queryAxes.clear()
    },
  }
  return device
}

/** The rows that a tensor of `rows` rows really has: padded ones repeat the last row, so that they stay harmless. */
export function paddedRows({ limits }: Device, rows: number): number {
  return withinLimits(limits, rows)
}

/** The least number of rows, from `rows` on, that can be cut into products within the limits. */
export function withinLimits({ min, max }: RowLimits, rows: number): number {
  return Math.max(rows, min * Math.ceil(rows / max))
}
