// A solution of rms-norm.md that adds in f32, as the threads of a GPU would: each a share of its own, and then in a tree.

import { type BackendModule, withOps } from 'drafthorse/engine'
import { type F32Tensor, type ReferenceTensor, reference } from 'drafthorse/engine/reference'

const threads = 64
const sums = new Float32Array(threads)

/** Which thread adds what, and the shape of the tree, follow from `size` alone: so do the bits. */
function sumOfSquares(values: Float32Array, start: number, size: number): number {
  sums.fill(0)
  for (let i = 0; i < size; i++) sums[i % threads]! += values[start + i]! ** 2
  for (let half = threads / 2; half >= 1; half /= 2) {
    for (let i = 0; i < half; i++) sums[i]! += sums[half + i]!
  }
  return sums[0]!
}

function rmsNorm(out: F32Tensor, x: F32Tensor, { weight, epsilon }: { weight: F32Tensor; epsilon: number }): void {
  const size = weight.data.length
  for (let start = 0; start < x.data.length; start += size) {
    const rms = Math.sqrt(sumOfSquares(x.data, start, size) / size + epsilon)
    for (let i = 0; i < size; i++) out.data[start + i] = (x.data[start + i]! / rms) * weight.data[i]!
  }
}

const backend: BackendModule<ReferenceTensor> = withOps(reference, { rmsNorm })

export default backend
