// `silu(gate) * up`, elementwise (Shazeer 2020).

import type { KernelThis, Rows } from './kernel.ts'

export function swiglu(this: KernelThis, gate: Rows, up: Rows): number {
  const value = gate[this.thread.y]![this.thread.x]!
  return (value / (1 + Math.exp(-value))) * up[this.thread.y]![this.thread.x]!
}
