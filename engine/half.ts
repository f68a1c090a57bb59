// IEEE 754 half precision (f16), which JavaScript engines of Node 20 do not have.

/** The value of an f16 given by its 16 bits. Exact. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1024 + fraction) * 2 ** (exponent - 25)
}

let values: Float32Array | undefined

/** The value of every f16 by its bits, 256 KiB, made when first needed. */
export function halfTable(): Float32Array {
  values ??= Float32Array.from({ length: 65536 }, (_, bits) => halfToFloat(bits))
  return values
}

/** The value of the f16 at byte `at`, little-endian. */
export function halfAt(bytes: Uint8Array, at: number): number {
  return halfTable()[bytes[at]! | (bytes[at + 1]! << 8)]!
}

/** The 16 bits of the f16 nearest to an f32, ties to even; an infinity (0x7c00, 0xfc00) from 65520 on. NaN is not asked. */
export function floatToHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  if (size >= 65520) return sign | 0x7c00
  // Below 2^-14 halves are multiples of 2^-24; above, each power of two holds 1024 of them.
  const exponent = size < 2 ** -14 ? -14 : Math.floor(Math.log2(size))
  const scaled = size * 2 ** (10 - exponent)
  const floor = Math.floor(scaled)
  const rest = scaled - floor
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
  return sign | ((exponent + 14) * 1024 + rounded)
}
