// Activations in 14 bits, with one scale for a row: 32 products of 14 and 8 bits fit an i32 by far.
//
// Rows that are computed together are interleaved, four elements of each, because products are of four columns at a time.

const most: f32 = 8191

/** No scale is made for less: its inverse would be infinite. */
const least: f32 = 2 ** -110

/**
 * Rounds `size` activations to whole multiples of a scale, as i16, each four `step` bytes behind the last, and returns the
 * scale; no number if one of them is none.
 */
export function quantize(out: usize, step: u32, x: usize, size: u32): f32 {
  let largest = f32x4.splat(0)
  const end = x + size * 4
  for (let at = x; at < end; at += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(at)))
  largest = f32x4.max(largest, i64x2.shuffle(largest, largest, 1, 0))
  const highest = max(least, f32x4.extract_lane(f32x4.max(largest, f32x4.shuffle(largest, largest, 1, 0, 3, 2)), 0))
  const steps = f32x4.splat(most / highest)
  for (; x < end; x += 64) {
    const first = i16x8.narrow_i32x4_s(steppedTo(x, steps), steppedTo(x + 16, steps))
    const second = i16x8.narrow_i32x4_s(steppedTo(x + 32, steps), steppedTo(x + 48, steps))
    v128.store64_lane(out, first, 0)
    v128.store64_lane(out + step, first, 1)
    v128.store64_lane(out + 2 * step, second, 0)
    v128.store64_lane(out + 3 * step, second, 1)
    out += 4 * step
  }
  return highest / most
}

function steppedTo(x: usize, steps: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), steps)))
}

/**
 * Splits so many bytes of quantised activations, where they are, into two halves of 7 bits: an activation plus 8192 is
 * `low + 128 * high`. Each four columns of a row become four low bytes and four high ones.
 */
export function halve(at: usize, bytes: usize): void {
  for (const end = at + bytes; at < end; at += 16) {
    const raised = i16x8.add(v128.load(at), i16x8.splat(8192))
    const halves = i8x16.narrow_i16x8_u(v128.and(raised, i16x8.splat(127)), i16x8.shr_u(raised, 7))
    v128.store(at, i32x4.shuffle(halves, halves, 0, 2, 1, 3))
  }
}

/** The sums of each 32 of a row's quantised activations, as f32: exact. `rows` are interleaved, and so are their sums. */
export function blockSums(out: usize, quantized: usize, rows: u32, size: u32): void {
  const step = rows * 8
  const ones = i16x8.splat(1)
  for (const end = quantized + size * 2 * rows; quantized < end; ) {
    let sum = i32x4.splat(0)
    for (const last = quantized + 8 * step; quantized < last; quantized += step) {
      sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load64_zero(quantized), ones))
    }
    store<f32>(out, <f32>(i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1)))
    out += rows * 4
  }
}
