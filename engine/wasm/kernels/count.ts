// Counts as types, because the compiler makes a function of its own for each type, and none for a number.

/** `u8`, `u16`, `u32` and `u64` are 1, 2, 3 and 4. */
export function count<N>(): u32 {
  return <u32>ctz(sizeof<N>()) + 1
}
