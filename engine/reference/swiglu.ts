// The gated activation of Llama's MLP (Shazeer 2020, GLU variants improve Transformer).

import type { F32Tensor } from './tensor.ts'

/** `out = gate / (1 + exp(-gate)) * up`, elementwise. */
export function swiglu(out: F32Tensor, gate: F32Tensor, up: F32Tensor): void {
  for (let i = 0; i < out.data.length; i++) {
    const g = gate.data[i]!
    out.data[i] = (g / (1 + Math.exp(-g))) * up.data[i]!
  }
}
