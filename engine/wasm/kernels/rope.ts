// Rotary position embedding (Su et al., RoFormer) in Hugging Face's half-split layout.

import { data, share } from './control'
import { Row } from './rows'

/** Rotates the pairs `(i, i + half)` of each head; `out` and `x` `[rows, heads * 2 * half]`, `cos` and `sin` `[any, half]`. */
@unmanaged
export class Rope {
  out: usize
  x: usize
  cos: usize
  sin: usize
  table: usize
  rows: u32
  heads: u32
  half: u32
}

/** Threads take heads of rows. */
export function rope(c: Rope, thread: u32, threads: u32): void {
  const half = c.half
  const heads = c.heads
  const whole = half & ~3
  const end = share(c.rows * heads, thread + 1, threads)
  for (let head = share(c.rows * heads, thread, threads); head < end; head++) {
    const row = changetype<Row>(data() + c.table + (head / heads) * offsetof<Row>())
    const cos = c.cos + row.position * half * 4
    const sin = c.sin + row.position * half * 4
    const x = c.x + head * half * 8
    const out = c.out + head * half * 8
    for (let i: u32 = 0; i < whole * 4; i += 16) {
      const a = v128.load(x + i)
      const b = v128.load(x + half * 4 + i)
      const cosine = v128.load(cos + i)
      const sine = v128.load(sin + i)
      v128.store(out + i, f32x4.sub(f32x4.mul(a, cosine), f32x4.mul(b, sine)))
      v128.store(out + half * 4 + i, f32x4.add(f32x4.mul(b, cosine), f32x4.mul(a, sine)))
    }
    for (let i = whole * 4; i < half * 4; i += 4) {
      const a = load<f32>(x + i)
      const b = load<f32>(x + half * 4 + i)
      const cosine = load<f32>(cos + i)
      const sine = load<f32>(sin + i)
      store<f32>(out + i, a * cosine - b * sine)
      store<f32>(out + half * 4 + i, b * cosine + a * sine)
    }
  }
}
