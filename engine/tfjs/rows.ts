// The ops that know nothing of sequences: each row by itself.

import { type Device, paddedRows, type RowLimits, withinLimits } from './device.ts'
import { matrixOf, padRows, type RowOf, rowsOf, share, type TfjsTensor, valueIn, write, writeRows } from './handle.ts'
import type { TfTensor } from './tf.ts'

/** `out[r] = table[ids[r]]`. */
export function embed(
  device: Device,
  out: TfjsTensor,
  ids: Int32Array | TfjsTensor,
  { table }: { table: TfjsTensor },
): void {
  const { eager } = device
  const { tensor } = valueIn(device, table)
  if (!(ids instanceof Int32Array)) {
    write(out, eager.gather(tensor, rowsOf(device, ids, []), 0))
    return
  }
  const padded = Int32Array.from(
    { length: paddedRows(device, ids.length) },
    (_, i) => ids[Math.min(i, ids.length - 1)]!,
  )
  const indices = device.tf.tensor(padded, [padded.length], 'int32')
  write(out, eager.gather(tensor, indices, 0))
  indices.dispose()
}

/** `out = x / sqrt(mean(x^2) + epsilon) * weight` over each run of `weight`'s size. */
export function rmsNorm(
  device: Device,
  out: TfjsTensor,
  x: TfjsTensor,
  { weight, epsilon }: { weight: TfjsTensor; epsilon: number },
): void {
  const { eager } = device
  const size = weight.shape[0]!
  const runs = x.shape[1]! / size
  const values = rowsOf(device, x, runs === 1 ? [size] : [runs, size])
  const squares = eager.square(values)
  const mean = eager.mean(squares)
  const shifted = eager.add(
    mean,
    device.constant(`number ${epsilon}`, () => device.numbers([epsilon], [])),
  )
  const root = eager.sqrt(shifted)
  const scaled = eager.div(values, root)
  write(out, eager.mul(scaled, valueIn(device, weight).tensor))
  free(squares, mean, shifted, root, scaled)
}

/** `out = x * weight^T + bias + residual`. */
export function linear(
  device: Device,
  out: TfjsTensor,
  x: TfjsTensor,
  options: { weight: TfjsTensor; bias?: TfjsTensor | undefined; residual?: TfjsTensor | undefined },
): void {
  const { eager } = device
  const weight = valueIn(device, options.weight).tensor
  const limits = device.shapeLimits.get(weight.shape.join()) ?? device.limits
  let product = multiply(device, { x: rowsOf(device, x, [x.shape[1]!]), weight, limits })
  for (const term of [options.bias, options.residual]) {
    if (!term) continue
    const tensor = term === options.bias ? valueIn(device, term).tensor : rowsOf(device, term, [term.shape[1]!])
    const sum = eager.add(product, tensor)
    product.dispose()
    product = sum
  }
  write(out, product)
}

/** `x [rows, in] * weight [out, in]^T`, in blocks of rows within the limits, all about as large. */
export function multiply(
  device: Device,
  { x, weight, limits }: { x: TfTensor; weight: TfTensor; limits: RowLimits },
): TfTensor {
  const { eager } = device
  const product = limits.kernel === 'small' ? eager.smallMatMulTransposed : eager.matMulTransposed
  const [rows, size] = [x.shape[0]!, x.shape[1]!]
  const padded = withinLimits(limits, rows)
  if (padded > rows) {
    const longer = padRows(device, x, padded)
    const whole = multiply(device, { x: longer, weight, limits })
    const cut = eager.slice(whole, [0, 0], [rows, weight.shape[0]!])
    free(longer, whole)
    return cut
  }
  const blocks = Math.ceil(rows / limits.max)
  if (blocks === 1) return product(x, weight)
  const parts = Array.from({ length: blocks }, (_, block) => {
    const from = Math.floor((block * rows) / blocks)
    const to = Math.floor(((block + 1) * rows) / blocks)
    const part = eager.slice(x, [from, 0], [to - from, size])
    const own = product(part, weight)
    part.dispose()
    return own
  })
  const all = eager.concat(parts, 0)
  free(...parts)
  return all
}

/** `out = gate * sigmoid(gate) * up`. */
export function swiglu(device: Device, out: TfjsTensor, gate: TfjsTensor, up: TfjsTensor): void {
  const { eager } = device
  const size = gate.shape[1]!
  const gates = rowsOf(device, gate, [size])
  const ups = rowsOf(device, up, [size])
  const sigmoid = wide(device, gates, 0, eager.sigmoid)
  const gated = eager.mul(gates, sigmoid)
  write(out, eager.mul(gated, ups))
  free(sigmoid, gated)
}

/**
 * An elementwise function over rows of any size. TensorFlow computes `exp`, `log` and `sigmoid` in groups of eight, and
 * what is left over with other bits: so rows are made as long as eight divides.
 */
export function wide(device: Device, x: TfTensor, filler: number, operation: (x: TfTensor) => TfTensor): TfTensor {
  const { eager } = device
  const [rows, size] = [x.shape[0]!, x.shape[1]!]
  const missing = -size & 7
  if (missing === 0) return operation(x)
  const key = `filler ${filler} ${rows},${missing}`
  const columns = device.constant(key, () => device.numbers(Array(rows * missing).fill(filler), [rows, missing]))
  const longer = eager.concat([x, columns], 1)
  const result = operation(longer)
  const cut = eager.slice(result, [0, 0], [rows, size])
  free(longer, result)
  return cut
}

/** `out[at + i] = x[rows[i]]`. Nothing is copied yet: the rows are gathered when `out` is used. */
export function copyRows(
  device: Device,
  out: TfjsTensor,
  x: TfjsTensor,
  { rows, at }: { rows: readonly number[]; at: number },
): void {
  if (rows.length === 0) return
  if (rows.length === out.shape[0] && rows.length === x.shape[0] && rows.every((row, i) => row === i)) {
    share(out, valueIn(device, x))
    return
  }
  const list: (RowOf | undefined)[] = [...rowList(device, out)]
  const source = rowList(device, x)
  for (const [i, row] of rows.entries()) list[at + i] = source[row]
  writeRows(out, list)
}

function rowList(device: Device, handle: TfjsTensor): readonly (RowOf | undefined)[] {
  const { content } = handle
  const rows = handle.shape[0]!
  if (content.kind === 'rows') return content.rows
  if (content.kind === 'unset') return Array(rows).fill(undefined)
  const value = matrixOf(device, handle)
  return Array.from({ length: rows }, (_, row) => ({ value, row }))
}

export function free(...tensors: readonly TfTensor[]): void {
  for (const tensor of tensors) tensor.dispose()
}
