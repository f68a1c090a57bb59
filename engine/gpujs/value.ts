// The contents of tensors: rows that never change once they are computed, with a count of users; the last one frees them.

import type { DeviceRows, GpuKernel, HostRows } from './gpu.ts'

export interface Value {
  readonly width: number
  readonly rows: number
  /** Undefined until the step that computes it has run. */
  data: HostRows | DeviceRows | undefined
  users: number
  /** Kernels that have it as a constant, and go with it. */
  readonly kernels: Map<string, GpuKernel>
}

/** A value with one user: the caller. */
export function newValue(size: { width: number; rows: number }, data?: HostRows): Value {
  return { width: size.width, rows: size.rows, data, users: 1, kernels: new Map() }
}

export function hold(value: Value): Value {
  value.users++
  return value
}

export function drop(value: Value): void {
  if (--value.users > 0) return
  for (const kernel of value.kernels.values()) kernel.destroy()
  value.kernels.clear()
  if (value.data) discard(value.data)
  value.data = undefined
}

/** Frees what a device holds. */
export function discard(data: HostRows | DeviceRows): void {
  if (!isHost(data)) data.delete()
}

export function isHost(data: HostRows | DeviceRows): data is HostRows {
  return Array.isArray(data)
}

/** Cuts numbers into rows, which share their memory. */
export function rowsOf(numbers: Float32Array, width: number): HostRows {
  return Array.from({ length: numbers.length / width }, (_, i) => numbers.subarray(i * width, (i + 1) * width))
}

/** Joins rows into numbers of their own. */
export function joined(rows: HostRows): Float32Array {
  const width = rows[0]?.length ?? 0
  const numbers = new Float32Array(rows.length * width)
  for (const [i, row] of rows.entries()) numbers.set(row, i * width)
  return numbers
}
