// Tensors of TensorFlow.js with a count of users: they are immutable, so handles share them, and the last one frees them.

import type { TfTensor } from './tf.ts'

export interface Value {
  readonly tensor: TfTensor
  users: number
}

/** A value with one user: the caller. */
export function newValue(tensor: TfTensor): Value {
  return { tensor, users: 1 }
}

/** The same value, with one more user. */
export function hold(value: Value): Value {
  value.users++
  return value
}

/** One user less. */
export function drop(value: Value): void {
  if (--value.users === 0) value.tensor.dispose()
}
