// The gated activation of Llama's MLP (Shazeer 2020, GLU variants improve Transformer).

import { share } from './control'
import { exp } from './exp'

/** `out = gate / (1 + exp(-gate)) * up`, `count` values. */
@unmanaged
export class Swiglu {
  out: usize
  gate: usize
  up: usize
  count: u32
}

/** Threads take fours of values; the last four may reach into the free bytes that every tensor has at its end. */
export function swiglu(c: Swiglu, thread: u32, threads: u32): void {
  const fours = (c.count + 3) >> 2
  const end = share(fours, thread + 1, threads) * 16
  const one = f32x4.splat(1)
  for (let at = share(fours, thread, threads) * 16; at < end; at += 16) {
    const gate = v128.load(c.gate + at)
    // From e^-|gate|, which is never too large: 1 / (1 + it) is the sigmoid of |gate|, it / (1 + it) that of -|gate|.
    const shrunk = exp(f32x4.neg(f32x4.abs(gate)))
    const negative = f32x4.lt(gate, f32x4.splat(0))
    const sigmoid = f32x4.div(v128.bitselect(shrunk, one, negative), f32x4.add(one, shrunk))
    v128.store(c.out + at, f32x4.mul(f32x4.mul(gate, sigmoid), v128.load(c.up + at)))
  }
}
