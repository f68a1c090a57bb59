// The entry of the kernels that need relaxed SIMD: a module of its own, for one with such instructions compiles only where
// they are known.

import { Linear, productInBlocks } from './linear'

/** Outputs `from .. to - 1` of a product with q8_0 weights. */
export function product(c: Linear, from: u32, to: u32, own: usize): void {
  productInBlocks<i8>(c, from, to, own)
}
