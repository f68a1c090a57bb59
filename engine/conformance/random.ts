// Random numbers for the inputs of cases: integer and exact float operations only, so that a seed gives the same values
// on every engine.

export interface Random {
  /** In [0, 1). */
  uniform(): number
  /** A whole number in [0, end). */
  below(end: number): number
  /** Bell-shaped with mean 0 and standard deviation 1, within +-3.5: the sum of four uniform draws. */
  bell(): number
}

/** A generator (mulberry32) for one use: the seed, and what it is for, decide all of its numbers. */
export function randomFor(seed: number, use: string): Random {
  // FNV-1a, so that a case has the same input whichever other cases run.
  let state = (seed ^ 0x811c9dc5) | 0
  for (let i = 0; i < use.length; i++) state = Math.imul(state ^ use.charCodeAt(i), 0x01000193)

  function uniform(): number {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), bits | 61)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    uniform,
    below: (end) => Math.floor(uniform() * end),
    bell: () => (uniform() + uniform() + uniform() + uniform() - 2) * 1.7320508,
  }
}

/** How values are spread: bell-shaped around 0, or in (0, 2), where no sum can cancel out. */
export type Spread = 'bell' | 'positive'

/** f32 values of standard deviation `scale` (or around `scale`). */
export function floats(random: Random, size: number, scale = 1, spread: Spread = 'bell'): Float32Array<ArrayBuffer> {
  const values = new Float32Array(size)
  for (let i = 0; i < size; i++) {
    values[i] = spread === 'bell' ? random.bell() * scale : (0.25 + 1.5 * random.uniform()) * scale
  }
  return values
}

/** The numbers `0 .. size - 1` in random order. */
export function shuffled(random: Random, size: number): number[] {
  const order = Array.from({ length: size }, (_, i) => i)
  for (let i = size - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const swap = order[i]!
    order[i] = order[j]!
    order[j] = swap
  }
  return order
}
