// The exponential and the logarithm, from arithmetic that every machine rounds alike.

/**
 * `e^x` of four numbers, each 0 or below; less than 1e-38 is 0. With `x = n * ln(2) + r`, it is `2^n` times Taylor's series
 * of `e^r`, whose eighth power is below f32's last bit. Every lane runs the same steps, so a number's place does not matter.
 */
export function exp(x: v128): v128 {
  const n = f32x4.nearest(f32x4.mul(x, f32x4.splat(<f32>Math.LOG2E)))
  // ln(2) in two parts, the first of few bits, so that n times it is exact.
  let r = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)))
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.1219444e-4)))
  let sum = f32x4.splat(1.0 / 5040)
  sum = f32x4.add(f32x4.mul(sum, r), f32x4.splat(1.0 / 720))
  sum = f32x4.add(f32x4.mul(sum, r), f32x4.splat(1.0 / 120))
  sum = f32x4.add(f32x4.mul(sum, r), f32x4.splat(1.0 / 24))
  sum = f32x4.add(f32x4.mul(sum, r), f32x4.splat(1.0 / 6))
  sum = f32x4.add(f32x4.mul(sum, r), f32x4.splat(0.5))
  sum = f32x4.add(f32x4.mul(sum, r), f32x4.splat(1))
  sum = f32x4.add(f32x4.mul(sum, r), f32x4.splat(1))
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23)
  const tiny = f32x4.lt(x, f32x4.splat(-87))
  return v128.andnot(f32x4.mul(sum, power), tiny)
}

/** The natural logarithm of a number from 1 on, by the series of `2 * atanh((m - 1) / (m + 1))`, `x` being `2^n * m`. */
export function log(x: f64): f64 {
  if (!(x < Infinity)) return x
  const bits = reinterpret<u64>(x)
  let n = <i32>(bits >> 52) - 1023
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000)
  if (m > Math.SQRT2) {
    m /= 2
    n++
  }
  const s = (m - 1) / (m + 1)
  const squared = s * s
  let sum: f64 = 0
  for (let odd: f64 = 19; odd > 0; odd -= 2) sum = sum * squared + 1 / odd
  return n * Math.LN2 + 2 * s * sum
}
