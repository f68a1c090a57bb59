// Handles: a shape and type that last, and contents that are replaced when an op writes them.

import type { Tensor } from '../backend.ts'
import { elementCount } from '../dtype.ts'
import { drop, hold, newValue, rowsOf, type Value } from './value.ts'

export interface GpujsTensor extends Tensor {
  /** Undefined as long as nothing was written. */
  value: Value | undefined
  /** What was uploaded as i32, of which f32 holds only so many digits. */
  readonly integers?: Int32Array
}

/** How its contents lie: along the last axis, or one number a row for a list of ids. */
export function extent({ shape, dtype }: Tensor): { width: number; rows: number } {
  const size = elementCount(shape)
  const width = dtype === 'i32' ? 1 : (shape.at(-1) ?? 1)
  return { width, rows: width === 0 ? 0 : size / width }
}

/** The contents, which stay the handle's; 0 where nothing was written. */
export function valueIn(tensor: GpujsTensor): Value {
  tensor.value ??= zeros(tensor)
  return tensor.value
}

function zeros(tensor: GpujsTensor): Value {
  const { width, rows } = extent(tensor)
  return newValue({ width, rows }, rowsOf(new Float32Array(width * rows), width))
}

/** Writes a handle: the value is the handle's own from now on. */
export function write(tensor: GpujsTensor, value: Value): void {
  const before = tensor.value
  tensor.value = value
  if (before) drop(before)
}

/** Writes a handle with a value that others hold too. */
export function share(tensor: GpujsTensor, value: Value): void {
  write(tensor, hold(value))
}

export function clear(tensor: GpujsTensor): void {
  const before = tensor.value
  tensor.value = undefined
  if (before) drop(before)
}
