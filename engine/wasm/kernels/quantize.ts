// Activations in 14 bits, with one scale for a row: 8 products of 14 and 8 bits fit the 24 bits that f32 counts to.
//
// The pairs of sixteen elements come in the order 0 2 4 6, 1 3 5 7: lane i of a sum of products then adds up elements
// 4i to 4i + 3, as the dot products of four bytes do that some machines have.

const most: f32 = 8191

/** No scale is made for less: its inverse would be infinite. */
const least: f32 = 2 ** -110

/** Rounds `size` activations to whole multiples of a scale, as i16, and returns the scale; no number if one of them is none. */
export function quantize(out: usize, x: usize, size: u32): f32 {
  let largest = f32x4.splat(0)
  const end = x + size * 4
  for (let at = x; at < end; at += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(at)))
  largest = f32x4.max(largest, i64x2.shuffle(largest, largest, 1, 0))
  const highest = max(least, f32x4.extract_lane(f32x4.max(largest, f32x4.shuffle(largest, largest, 1, 0, 3, 2)), 0))
  const steps = f32x4.splat(most / highest)
  for (; x < end; x += 64) {
    const first = i16x8.narrow_i32x4_s(steppedTo(x, steps), steppedTo(x + 16, steps))
    const second = i16x8.narrow_i32x4_s(steppedTo(x + 32, steps), steppedTo(x + 48, steps))
    v128.store(out, i32x4.shuffle(first, second, 0, 2, 4, 6))
    v128.store(out, i32x4.shuffle(first, second, 1, 3, 5, 7), 16)
    out += 32
  }
  return highest / most
}

function steppedTo(x: usize, steps: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), steps)))
}

/** The sums of each 32 of `size` quantised activations, as f32: exact. */
export function blockSums(out: usize, quantized: usize, size: u32): void {
  const ones = i16x8.splat(1)
  for (const end = quantized + size * 2; quantized < end; quantized += 64) {
    // Sums of 4 do not leave 16 bits.
    const all = i16x8.add(
      i16x8.add(v128.load(quantized), v128.load(quantized, 16)),
      i16x8.add(v128.load(quantized, 32), v128.load(quantized, 48)),
    )
    let sum = i32x4.dot_i16x8_s(all, ones)
    sum = i32x4.add(sum, i64x2.shuffle(sum, sum, 1, 0))
    store<f32>(out, <f32>(i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1)))
    out += 4
  }
}
