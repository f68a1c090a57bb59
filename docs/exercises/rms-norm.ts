// Exercise: root mean square normalisation. What to do says rms-norm.md.

import { type BackendModule, withOps } from 'drafthorse/engine'
import { type F32Tensor, type ReferenceTensor, reference } from 'drafthorse/engine/reference'

/**
 * `out = x / sqrt(mean(x^2) + epsilon) * weight`, the mean over each run of `weight`'s size. `out` and `x` `[rows, n * size]`,
 * `weight [size]`; `data` has all values of a tensor, row after row.
 */
function rmsNorm(out: F32Tensor, x: F32Tensor, { weight }: { weight: F32Tensor; epsilon: number }): void {
  const size = weight.data.length
  for (let start = 0; start < x.data.length; start += size) {
    // Yours. Until then x is weighed, but not normalised.
    for (let i = 0; i < size; i++) out.data[start + i] = x.data[start + i]! * weight.data[i]!
  }
}

const backend: BackendModule<ReferenceTensor> = withOps(reference, { rmsNorm })

export default backend
