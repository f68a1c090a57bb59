// Root mean square normalisation (Zhang and Sennrich 2019).

import { share } from './control'

/** `out = x / sqrt(mean(x^2) + epsilon) * weight` over each of `runs` runs of `size`. */
@unmanaged
export class RmsNorm {
  out: usize
  x: usize
  weight: usize
  runs: u32
  size: u32
  epsilon: f32
}

/** Threads take whole runs. */
export function rmsNorm(c: RmsNorm, thread: u32, threads: u32): void {
  const size = c.size
  const whole = size & ~3
  const end = share(c.runs, thread + 1, threads)
  for (let run = share(c.runs, thread, threads); run < end; run++) {
    const x = c.x + run * size * 4
    const out = c.out + run * size * 4
    let even = f64x2.splat(0)
    let odd = even
    for (let i: u32 = 0; i < whole; i += 4) {
      const own = v128.load(x + i * 4)
      const low = f64x2.promote_low_f32x4(own)
      const high = f64x2.promote_low_f32x4(i64x2.shuffle(own, own, 1, 1))
      even = f64x2.add(even, f64x2.mul(low, low))
      odd = f64x2.add(odd, f64x2.mul(high, high))
    }
    even = f64x2.add(even, odd)
    let squares = f64x2.extract_lane(even, 0) + f64x2.extract_lane(even, 1)
    for (let i = whole; i < size; i++) {
      const own = <f64>load<f32>(x + i * 4)
      squares += own * own
    }
    const scale = <f32>(1 / sqrt<f64>(squares / size + c.epsilon))
    const scales = f32x4.splat(scale)
    for (let i: u32 = 0; i < whole; i += 4) {
      v128.store(out + i * 4, f32x4.mul(f32x4.mul(v128.load(x + i * 4), scales), v128.load(c.weight + i * 4)))
    }
    for (let i = whole; i < size; i++) {
      store<f32>(out + i * 4, load<f32>(x + i * 4) * scale * load<f32>(c.weight + i * 4))
    }
  }
}
