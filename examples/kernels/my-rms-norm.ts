// A first kernel: root mean square normalisation in place of the reference backend's own. Check it from this folder with
//
//   npx drafthorse kernels --backend ./my-rms-norm.ts --op rmsNorm
//
// and then break it: leave the epsilon out, sum in another order for the second row, and see what the cases say.

import { type BackendModule, withOps } from 'drafthorse/engine'
import { type F32Tensor, type ReferenceTensor, reference } from 'drafthorse/engine/reference'

/**
 * `out = x / sqrt(mean(x^2) + epsilon) * weight` (Zhang and Sennrich 2019), the mean over each run of `weight`'s size.
 * `out` and `x` `[rows, n * size]`, `weight [size]`. Shapes and types have been checked before a kernel is called, and
 * a tensor of the reference backend is a shape and a typed array: `data`.
 */
function rmsNorm(out: F32Tensor, x: F32Tensor, { weight, epsilon }: { weight: F32Tensor; epsilon: number }): void {
  const size = weight.data.length

  // Every run of `size` values is normalised by itself: what a row yields must not depend on the other rows.
  for (let start = 0; start < x.data.length; start += size) {
    // JavaScript adds in float64, so the order of these additions hardly shows. It is fixed all the same: the same row
    // has to give the same bits in every pass, or a drafted token could be verified against another value.
    let sumOfSquares = 0
    for (let i = start; i < start + size; i++) sumOfSquares += x.data[i]! * x.data[i]!

    // The epsilon keeps a row of zeros at zero instead of 0 / 0.
    const rms = Math.sqrt(sumOfSquares / size + epsilon)

    for (let i = 0; i < size; i++) out.data[start + i] = (x.data[start + i]! / rms) * weight.data[i]!
  }
}

/** The reference backend with this one op replaced: all that `drafthorse kernels` and `loadModel` need. */
const backend: BackendModule<ReferenceTensor> = withOps(reference, { rmsNorm })

export default backend
