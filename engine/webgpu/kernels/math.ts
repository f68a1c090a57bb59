// Arithmetic: multiplying and adding, and from these the exponential and the logarithm, since those of a device may be off by
// more than is allowed here.

/**
 * `a * b + c`, which all kernels write as `fma1` and `fma4`, so that there is nothing for a compiler to choose: fused where the
 * device has that in hardware, and rounded twice where it would be a call for each number.
 */
export function multiplyAdd(kind: 'fused' | 'rounded twice'): string {
  const result = kind === 'fused' ? 'fma(a, b, c)' : 'a * b + c'
  return `
fn fma1(a: f32, b: f32, c: f32) -> f32 { return ${result}; }
fn fma4(a: vec4f, b: vec4f, c: vec4f) -> vec4f { return ${result}; }
`
}

/**
 * `e^x` for x of 0 or below; less than 1e-37 is 0. With `x = n * ln(2) + r`, it is `2^n` times Taylor's series of `e^r`,
 * whose eighth power is below f32's last bit.
 */
export const expBelowZero = `
fn expBelowZero(x: f32) -> f32 {
  let bounded = max(x, -88.0);
  let n = round(bounded * 1.44269504);
  // ln(2) in two parts, the first of few bits, so that n times it is exact.
  let r = fma1(n, 2.1219444e-4, fma1(n, -0.693359375, bounded));
  var sum = fma1(1.0 / 5040.0, r, 1.0 / 720.0);
  sum = fma1(sum, r, 1.0 / 120.0);
  sum = fma1(sum, r, 1.0 / 24.0);
  sum = fma1(sum, r, 1.0 / 6.0);
  sum = fma1(sum, r, 0.5);
  sum = fma1(sum, r, 1.0);
  sum = fma1(sum, r, 1.0);
  return select(sum * bitcast<f32>((i32(n) + 127) << 23u), 0.0, x < -86.0);
}`

/** The natural logarithm of a number from 1 on, `2^n * m`, by the series of `2 * atanh((m - 1) / (m + 1))`. */
export const logFromOne = `
fn logFromOne(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  var n = f32(bits >> 23u) - 127.0;
  var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
  if (m > 1.41421356) {
    m *= 0.5;
    n += 1.0;
  }
  let s = (m - 1.0) / (m + 1.0);
  let squared = s * s;
  var sum = 1.0 / 11.0;
  sum = fma1(sum, squared, 1.0 / 9.0);
  sum = fma1(sum, squared, 1.0 / 7.0);
  sum = fma1(sum, squared, 0.2);
  sum = fma1(sum, squared, 1.0 / 3.0);
  sum = fma1(sum, squared, 1.0);
  return fma1(n, 0.693147181, 2.0 * s * sum);
}`
