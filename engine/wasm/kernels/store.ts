// Storing as many lanes of a vector as there is room for.

/** The first `count` lanes; all from four on. */
export function storeSome(at: usize, values: v128, count: u32): void {
  if (count >= 4) {
    v128.store(at, values)
    return
  }
  store<f32>(at, f32x4.extract_lane(values, 0))
  if (count > 1) store<f32>(at + 4, f32x4.extract_lane(values, 1))
  if (count > 2) store<f32>(at + 8, f32x4.extract_lane(values, 2))
}
