// Upload: a copy of what the host gives, which stays on the device.

import type { KernelThis, Rows } from './kernel.ts'

export function keep(this: KernelThis, x: Rows): number {
  return x[this.thread.y]![this.thread.x]!
}
