// Finds, when a backend is opened, how its rows can be made independent of each other: which matMul, within which numbers
// of rows, gives a row the same bits alone and among others. Nothing documents that, and it differs by processor.

import type { Capabilities } from '../backend.ts'
import type { Device, RowLimits } from './device.ts'
import { free, multiply } from './rows.ts'
import type { TfTensor } from './tf.ts'

/** Numbers of rows that are compared: small passes, and those where libraries are known to change kernels. */
const widths = [1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 33]

/** Sizes of a product: inputs and outputs, on both sides of the blocks of common libraries. */
const products = [
  [64, 64],
  [33, 7],
  [256, 768],
  [768, 256],
  [576, 192],
  [2048, 40],
  [256, 4100],
] as const

const unlimited = Number.POSITIVE_INFINITY

/** Sets the device's limits to the first that hold, and says what they promise. */
export async function findLimits(
  device: Device,
  { smallBelow }: { smallBelow: readonly number[] },
): Promise<Capabilities['rowInvariant']> {
  const candidates: RowLimits[] = [
    ...smallBelow.flatMap((below) => [
      { smallBelow: below, min: 1, max: unlimited },
      { smallBelow: below, min: 2, max: 15 },
    ]),
    { smallBelow: 0, min: 8, max: 8 },
  ]
  for (const limits of candidates) {
    // Both kernels have to hold where both are used; the products here are small.
    const tried = limits.smallBelow > 0 ? [{ ...limits, smallBelow: 0 }, limits] : [limits]
    let good = true
    for (const each of tried) {
      device.limits = each
      good &&= await holds(device)
    }
    if (good) return true
  }
  device.limits = { smallBelow: 0, min: 1, max: unlimited }
  return false
}

async function holds(device: Device): Promise<boolean> {
  for (const [size, out] of products) {
    const weight = noise(device, [out, size], 1)
    const rows = noise(device, [40, size], 2)
    const { limits } = device
    const wanted = widths.filter((width) => width <= Math.min(limits.max, 33))
    const found: Int32Array[] = []
    for (const width of limits.min === limits.max ? [limits.min] : wanted.filter((width) => width >= limits.min)) {
      found.push(await bits(device, rows, weight, { from: 0, width }))
    }
    // The same rows at other places of a pass as wide.
    const width = Math.min(limits.max, 8)
    const moved = await bits(device, rows, weight, { from: 3, width })
    const still = await bits(device, rows, weight, { from: 0, width })
    free(weight, rows)
    const first = found[0]!
    const same = found.every((other) => agree(first, other, Math.min(first.length, other.length)))
    if (!same || !agree(still.subarray(3 * out), moved, (width - 3) * out)) return false
  }
  return true
}

async function bits(
  device: Device,
  rows: TfTensor,
  weight: TfTensor,
  { from, width }: { from: number; width: number },
): Promise<Int32Array> {
  const x = device.eager.slice(rows, [from, 0], [width, rows.shape[1]!])
  const y = multiply(device, x, weight)
  const values = Float32Array.from(await y.data())
  free(x, y)
  return new Int32Array(values.buffer)
}

function agree(a: Int32Array, b: Int32Array, size: number): boolean {
  for (let i = 0; i < size; i++) if (a[i] !== b[i]) return false
  return true
}

/** Numbers between -1 and 1 that do not repeat; they need not be good ones. */
function noise({ tf }: Device, shape: readonly [number, number], seed: number): TfTensor {
  let state = seed
  const values = Float32Array.from({ length: shape[0] * shape[1] }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return state / 2 ** 31
  })
  return tf.tensor(values, shape, 'float32')
}
