// Exponential and logarithm made of additions, multiplications, divisions and square roots, which every machine rounds alike:
// `Math.exp` and `Math.log` differ between JavaScript engines, and a sampled text must not.

const steps = 32

/** `2^(i / 32)`: square roots are rounded correctly everywhere, powers are not. */
const roots: Float64Array = rootsOfTwo()

function rootsOfTwo(): Float64Array {
  const out = new Float64Array(steps).fill(1)
  for (let factor = Math.SQRT2, stride = steps / 2; stride >= 1; factor = Math.sqrt(factor), stride /= 2) {
    for (let i = 0; i < steps; i++) if (i & stride) out[i]! *= factor
  }
  return out
}

/** `2^(i - 1023)`. */
const powers: Float64Array = new Float64Array(2047).fill(1)
for (let i = 1; i <= 1023; i++) {
  powers[1023 + i] = powers[1022 + i]! * 2
  powers[1023 - i] = powers[1024 - i]! / 2
}

const bits = new Float64Array(1)
const words = new Int32Array(bits.buffer)
/** Of a float64's two words the one with sign and exponent; the other is 1 - this. */
const upper = new Uint8Array(Int32Array.of(1).buffer)[0] === 1 ? 1 : 0

/** `e^x` for `x` up to 700, to some 1e-15 of itself; 0 below -700. */
export function exp(x: number): number {
  if (x < -700) return 0
  const n = Math.round(x * (steps / Math.LN2))
  // ln 2 / 32 in two parts, the first with so few bits that n times it is exact.
  const r = x - n * 0.02166084572672844 - n * 3.665769851588234e-9
  const power = 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720))))))
  return power * roots[n & (steps - 1)]! * powers[(n >> 5) + 1023]!
}

/** The natural logarithm of a normal number above 0, to some 1e-15 of itself. */
export function log(x: number): number {
  bits[0] = x
  let exponent = (words[upper]! >>> 20) - 1023
  words[upper] = (words[upper]! & 0xfffff) | (1023 << 20)
  let fraction = bits[0]!
  if (fraction > Math.SQRT2) {
    fraction /= 2
    exponent++
  }
  // log(f) = 2 artanh(s), s = (f - 1) / (f + 1), at most 0.172.
  const s = (fraction - 1) / (fraction + 1)
  const z = s * s
  let series = 0
  for (let odd = 21; odd >= 3; odd -= 2) series = (series + 1 / odd) * z
  return exponent * Math.LN2 + 2 * s * (1 + series)
}
