// Matrix product with a weight stored as [out, in]. Nearly all time goes here.

import { type F32Tensor, type WeightTensor, weightRows, width } from './tensor.ts'

/** `out = x * weight^T + bias + residual`. The sum over `in` runs in one fixed order, in f64, whatever the rows. */
export function linear(
  out: F32Tensor,
  x: F32Tensor,
  { weight, bias, residual }: { weight: WeightTensor; bias?: F32Tensor | undefined; residual?: F32Tensor | undefined },
): void {
  const inSize = width(x)
  const outSize = width(out)
  const rows = x.data.length / inSize
  const weights = weightRows(weight)
  for (let o = 0; o < outSize; o++) {
    const at = weights.seek(o)
    for (let r = 0; r < rows; r++) {
      let sum = dot(x.data, r * inSize, weights.values, at, inSize)
      if (bias) sum += bias.data[o]!
      if (residual) sum += residual.data[r * outSize + o]!
      out.data[r * outSize + o] = sum
    }
  }
}

/** Four running sums, so that the additions need not wait for each other; combined in one order. */
export function dot(a: Float32Array, aStart: number, b: Float32Array, bStart: number, size: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  const whole = size - (size % 4)
  for (let i = 0; i < whole; i += 4) {
    s0 += a[aStart + i]! * b[bStart + i]!
    s1 += a[aStart + i + 1]! * b[bStart + i + 1]!
    s2 += a[aStart + i + 2]! * b[bStart + i + 2]!
    s3 += a[aStart + i + 3]! * b[bStart + i + 3]!
  }
  for (let i = whole; i < size; i++) s0 += a[aStart + i]! * b[bStart + i]!
  return s0 + s1 + (s2 + s3)
}
