// Handles: a shape and type that last, and contents that are replaced when an op writes them. Contents may be left to be
// made when they are wanted, which for some is never.

import type { Tensor } from '../backend.ts'
import { elementCount } from '../dtype.ts'
import { type Device, paddedRows } from './device.ts'
import type { TfTensor } from './tf.ts'
import { drop, hold, newValue, type Value } from './value.ts'

export interface TfjsTensor extends Tensor {
  readonly id: number
  content: Content
  /** What was made of the contents, and goes with them. */
  readonly derived: Map<string, Value>
}

/** One row of a value of two axes. */
export interface RowOf {
  readonly value: Value
  readonly row: number
}

type Content =
  /** Never written. */
  | { readonly kind: 'unset' }
  /** In row-major order of the handle's shape, whatever its axes; it may have padded rows. */
  | { readonly kind: 'value'; readonly value: Value }
  /** Rows gathered from elsewhere, or unset. */
  | { readonly kind: 'rows'; readonly rows: readonly (RowOf | undefined)[] }
  /** What makes the value, and what it holds until then. */
  | { readonly kind: 'later'; readonly make: () => TfTensor; readonly inputs: readonly Value[] }

let handles = 0

export function newHandle(shape: readonly number[], dtype: 'f32' | 'i32'): TfjsTensor {
  return { id: handles++, shape: [...shape], dtype, content: { kind: 'unset' }, derived: new Map() }
}

/** Forgets the contents. */
export function clear(handle: TfjsTensor): void {
  const { content, derived } = handle
  handle.content = { kind: 'unset' }
  for (const value of derived.values()) drop(value)
  derived.clear()
  if (content.kind === 'value') drop(content.value)
  if (content.kind === 'rows') for (const row of content.rows) if (row) drop(row.value)
  if (content.kind === 'later') for (const input of content.inputs) drop(input)
}

/** Writes a handle: the tensor is the handle's own from now on. */
export function write(handle: TfjsTensor, tensor: TfTensor): void {
  clear(handle)
  handle.content = { kind: 'value', value: newValue(tensor) }
}

/** Writes a handle with a value that others hold too. */
export function share(handle: TfjsTensor, value: Value): void {
  hold(value)
  clear(handle)
  handle.content = { kind: 'value', value }
}

/** Writes a handle with rows of values, each of which is held. */
export function writeRows(handle: TfjsTensor, rows: readonly (RowOf | undefined)[]): void {
  for (const row of rows) if (row) hold(row.value)
  clear(handle)
  handle.content = { kind: 'rows', rows }
}

/** Writes a handle with what `make` will give when it is wanted; `inputs` stay alive until then. */
export function writeLater(handle: TfjsTensor, inputs: readonly Value[], make: () => TfTensor): void {
  for (const input of inputs) hold(input)
  clear(handle)
  handle.content = { kind: 'later', make, inputs }
}

/** The contents as one value, which stays the handle's. Its rows may lack padding. */
export function valueIn(device: Device, handle: TfjsTensor): Value {
  const { content } = handle
  switch (content.kind) {
    case 'value':
      return content.value
    case 'later':
      write(handle, content.make())
      break
    case 'rows':
      gatherRows(device, handle, content.rows)
      break
    case 'unset':
      write(handle, zeros(device, handle))
  }
  return valueIn(device, handle)
}

function zeros(device: Device, { shape, dtype }: TfjsTensor): TfTensor {
  const size = elementCount(shape)
  return dtype === 'i32'
    ? device.tf.tensor(new Int32Array(size), shape, 'int32')
    : device.tf.tensor(new Float32Array(size), shape, 'float32')
}

/** Joins rows of several values: all values one after the other, then the rows wanted, with padding. */
function gatherRows(device: Device, handle: TfjsTensor, rows: readonly (RowOf | undefined)[]): void {
  const { eager } = device
  const width = handle.shape.at(-1)!
  const padded = paddedRows(device, rows.length)
  const first = rows[0]
  if (first && rows.every((row, i) => row?.value === first.value && row.row === i)) {
    const { length } = first.value.tensor.shape
    if (length === 2 && first.value.tensor.shape[0] === padded) {
      share(handle, first.value)
      return
    }
  }
  const starts = new Map<Value | undefined, number>()
  const parts: TfTensor[] = []
  let total = 0
  for (const row of rows) {
    if (starts.has(row?.value)) continue
    const part = row
      ? row.value.tensor
      : device.constant(`zeros 1,${width}`, () => device.numbers(Array(width).fill(0), [1, width]))
    starts.set(row?.value, total)
    parts.push(part)
    total += part.shape[0]!
  }
  const list = Array.from({ length: padded }, (_, i) => {
    const row = rows[Math.min(i, rows.length - 1)]
    return starts.get(row?.value)! + (row?.row ?? 0)
  })
  const all = parts.length === 1 ? parts[0]! : eager.concat(parts, 0)
  const isAll = list.length === total && list.every((from, i) => from === i)
  if (isAll && parts.length > 1) {
    write(handle, all)
    return
  }
  const indices = device.ofPass(`list ${list.join()}`, () => device.integers(list, [list.length]))
  const gathered = eager.gather(all, indices, 0)
  if (parts.length > 1) all.dispose()
  write(handle, gathered)
}

/**
 * The contents as a tensor `[padded rows, ...axes]`, which stays the handle's. What was missing of padding, and another
 * cut of the axes, is kept with the handle.
 */
export function rowsOf(device: Device, handle: TfjsTensor, axes: readonly number[]): TfTensor {
  const rows = paddedRows(device, handle.shape[0]!)
  pad(device, handle, rows)
  const { tensor } = valueIn(device, handle)
  const shape = [rows, ...axes]
  if (tensor.shape.length === shape.length && shape.every((size, i) => size === tensor.shape[i])) return tensor
  write(handle, device.eager.reshape(tensor, shape))
  return valueIn(device, handle).tensor
}

function pad(device: Device, handle: TfjsTensor, rows: number): void {
  const { tensor } = valueIn(device, handle)
  if (tensor.shape[0] !== rows) write(handle, padRows(device, tensor, rows))
}

/** So many rows of a tensor: past its end the last one again. */
export function padRows(device: Device, tensor: TfTensor, rows: number): TfTensor {
  const own = tensor.shape[0]!
  const indices = device.constant(`rows ${rows} of ${own}`, () =>
    device.integers(
      Array.from({ length: rows }, (_, i) => Math.min(i, own - 1)),
      [rows],
    ),
  )
  return device.eager.gather(tensor, indices, 0)
}

/** The value as rows of two axes, padded. */
export function matrixOf(device: Device, handle: TfjsTensor): Value {
  rowsOf(device, handle, handle.shape.slice(1))
  return valueIn(device, handle)
}
