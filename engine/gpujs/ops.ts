// The ops that work row by row, each as one call of a kernel or a few.

import type { Selection } from '../backend.ts'
import type { Device } from './device.ts'
import { extent, type GpujsTensor, share, valueIn, write } from './tensor.ts'
import { drop, hold, newValue, rowsOf, type Value } from './value.ts'

/** Logits that one thread looks at. */
const selectBlock = 256

/** `out[r] = table[ids[r]]`. */
export function embed(
  device: Device,
  out: GpujsTensor,
  ids: Int32Array | GpujsTensor,
  { table }: { table: GpujsTensor },
): void {
  const list = ids instanceof Int32Array ? fromHost(ids) : hold(valueIn(ids))
  write(out, device.record('embed', { ...extent(out), args: [list], table: valueIn(table) }))
  drop(list)
}

/** `out = x / sqrt(mean(x^2) + epsilon) * weight` over each run of `weight`'s size. */
export function rmsNorm(
  device: Device,
  out: GpujsTensor,
  x: GpujsTensor,
  { weight, epsilon }: { weight: GpujsTensor; epsilon: number },
): void {
  const { width, rows } = extent(x)
  const size = extent(weight).width
  const given = valueIn(x)
  const constants = { size }
  const factors = device.record('normFactor', { constants, width: width / size, rows, args: [given, epsilon] })
  write(out, device.record('normScale', { constants, width, rows, args: [given, factors, valueIn(weight)] }))
  drop(factors)
}

/** `out = x * weight^T + bias + residual`. */
export function linear(
  device: Device,
  out: GpujsTensor,
  x: GpujsTensor,
  options: { weight: GpujsTensor; bias?: GpujsTensor | undefined; residual?: GpujsTensor | undefined },
): void {
  const { weight, bias, residual } = options
  const size = extent(out)
  const inSize = extent(x).width
  const constants = { quads: Math.floor(inSize / 4), rest: inSize % 4 }
  let sum = device.record('linear', { constants, ...size, args: [valueIn(x)], table: valueIn(weight) })
  for (const [name, more] of [
    ['addBias', bias],
    ['add', residual],
  ] as const) {
    if (!more) continue
    const before = sum
    sum = device.record(name, { ...size, args: [before, valueIn(more)] })
    drop(before)
  }
  write(out, sum)
}

/** `out = silu(gate) * up`. */
export function swiglu(device: Device, out: GpujsTensor, gate: GpujsTensor, up: GpujsTensor): void {
  write(out, device.record('swiglu', { ...extent(out), args: [valueIn(gate), valueIn(up)] }))
}

/** `out[at + i] = x[rows[i]]`. Rows that follow each other need no list of them, and all of them no copy. */
export function copyRows(
  device: Device,
  out: GpujsTensor,
  x: GpujsTensor,
  { rows, at }: { rows: readonly number[]; at: number },
): void {
  const first = rows[0]
  if (first === undefined) return
  const size = extent(out)
  const given = valueIn(x)
  const consecutive = rows.every((row, i) => row === first + i)
  if (consecutive && first === 0 && rows.length === size.rows && given.rows === size.rows) {
    share(out, given)
    return
  }
  const before = out.value ?? given
  if (consecutive) {
    const kept = out.value ? size.rows : 0
    write(out, device.record('place', { ...size, args: [before, given, at, rows.length, first, kept] }))
    return
  }
  const picked = Array.from({ length: size.rows }, (_, y) => rows[y - at] ?? (out.value ? -1 : 0))
  const list = fromHost(picked)
  write(out, device.record('pick', { ...size, args: [before, given, list] }))
  drop(list)
}

/** Per row the id of the largest `logit + noise`, its logit, and `log(sum(exp(logits)))`. */
export function select(
  device: Device,
  { ids, scores }: Selection<GpujsTensor>,
  logits: GpujsTensor,
  { noise }: { noise?: GpujsTensor | undefined },
): void {
  const given = valueIn(logits)
  const highest = winnersOf(device, given)
  if (noise) {
    const noisy = device.record('add', { ...extent(logits), args: [given, valueIn(noise)] })
    write(ids, winnersOf(device, noisy))
    drop(noisy)
  } else {
    share(ids, highest)
  }
  const { width: size, rows } = extent(logits)
  const blocks = Math.ceil(size / selectBlock)
  const sums = device.record('selectSum', {
    constants: { size, block: selectBlock },
    width: blocks,
    rows,
    args: [given, highest],
  })
  const args = [given, valueIn(ids), highest, sums]
  write(scores, device.record('selectScores', { constants: { blocks }, width: 2, rows, args }))
  drop(sums)
  drop(highest)
}

/** The ids with the highest values, one a row. */
function winnersOf(device: Device, values: Value): Value {
  const { width: size, rows } = values
  const blocks = Math.ceil(size / selectBlock)
  const constants = { size, block: selectBlock }
  const winners = device.record('selectBlock', { constants, width: blocks, rows, args: [values] })
  const ids = device.record('selectId', { constants: { blocks }, width: 1, rows, args: [values, winners] })
  drop(winners)
  return ids
}

/** Whole numbers, one a row. */
function fromHost(numbers: ArrayLike<number>): Value {
  return newValue({ width: 1, rows: numbers.length }, rowsOf(Float32Array.from(numbers), 1))
}
