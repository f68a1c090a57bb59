// What the ops of one open backend share: the operations, the rows at which products run, constants, and counts.

import type { Eager } from './eager.ts'
import { fromHost } from './eager.ts'
import type { Tf, TfTensor } from './tf.ts'

/**
 * The rows at which products run. Every pass of fewer than `min` rows is padded to `min`, and more than `max` are cut,
 * because libraries choose kernels by the number of rows: within the limits they were found to give equal bits.
 */
export interface RowLimits {
  /** Weights of fewer values than this run by the kernel that starts no threads. */
  readonly smallBelow: number
  readonly min: number
  readonly max: number
}

export interface Device {
  readonly tf: Tf
  readonly eager: Eager
  /** Set once, by the probe at opening. */
  limits: RowLimits
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
  numbers(values: readonly number[], shape: readonly number[]): TfTensor
  integers(values: readonly number[], shape: readonly number[]): TfTensor
  dispose(): void
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
    limits: { smallBelow: 0, min: 1, max: Number.POSITIVE_INFINITY },
    headSizes: new Map(),
    queryAxes: new Map(),
    operations: 0,
    constant: cached(constants),
    ofPass: cached(passing),
    endPass: () => clear(passing),
    numbers: (values, shape) => fromHost(tf, Float32Array.from(values), shape),
    integers: (values, shape) => fromHost(tf, Int32Array.from(values), shape),
    dispose() {
      clear(constants)
      clear(passing)
    },
  }
  return device
}

/** The rows that a tensor of `rows` rows really has: padded ones repeat the last row, so that they stay harmless. */
export function paddedRows({ limits: { min, max } }: Device, rows: number): number {
  return min === max ? Math.ceil(rows / min) * min : Math.max(rows, min)
}
