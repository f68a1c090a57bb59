// What each op has to yield: naive loops in float64, written from the contract alone and apart from every backend.

/** Numbers that stand for `[rows, width]`, row-major. */
type Values = ArrayLike<number>

/** `[rows, size]`, row `r` being row `ids[r]` of `x [any, size]`. */
export function pickRows(x: Values, ids: ArrayLike<number>, size: number): Float64Array {
  const out = new Float64Array(ids.length * size)
  for (let r = 0; r < ids.length; r++) {
    for (let i = 0; i < size; i++) out[r * size + i] = x[ids[r]! * size + i]!
  }
  return out
}

/** `x / sqrt(mean(x^2) + epsilon) * weight` over each run of `weight`'s size. */
export function rmsNorm(x: Values, weight: Values, epsilon: number): Float64Array {
  const out = new Float64Array(x.length)
  const size = weight.length
  for (let start = 0; start < x.length; start += size) {
    let squares = 0
    for (let i = start; i < start + size; i++) squares += x[i]! * x[i]!
    const rms = Math.sqrt(squares / size + epsilon)
    for (let i = 0; i < size; i++) out[start + i] = (x[start + i]! / rms) * weight[i]!
  }
  return out
}

/** `x * weight^T + bias + residual`: `x [rows, in]`, `weight [out, in]`. */
export function linear(
  x: Values,
  weight: Values,
  options: { in: number; bias?: Values | undefined; residual?: Values | undefined },
): Float64Array {
  const outSize = weight.length / options.in
  const rows = x.length / options.in
  const out = new Float64Array(rows * outSize)
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outSize; o++) {
      let sum = 0
      for (let i = 0; i < options.in; i++) sum += x[r * options.in + i]! * weight[o * options.in + i]!
      out[r * outSize + o] = sum + (options.bias?.[o] ?? 0) + (options.residual?.[r * outSize + o] ?? 0)
    }
  }
  return out
}

/** Rotates `(i, i + half)` of each head of row `r` by the angle of `positions[r]`; `cos` and `sin` `[any, half]`. */
export function rope(
  x: Values,
  options: { cos: Values; sin: Values; half: number; positions: readonly number[] },
): Float64Array {
  const { cos, sin, half, positions } = options
  const size = x.length / positions.length
  const out = new Float64Array(x.length)
  for (let at = 0; at < x.length; at++) {
    const place = (at % size) % (2 * half)
    const angle = positions[Math.floor(at / size)]! * half + (place % half)
    const other = place < half ? -x[at + half]! : x[at - half]!
    out[at] = x[at]! * cos[angle]! + other * sin[angle]!
  }
  return out
}

/**
 * One row of attention: `query [heads * headSize]`, the keys and values of positions `0 .. length - 1` as
 * `[length, kvHeads * headSize]`.
 */
export function attend(
  query: Values,
  keys: Values,
  values: Values,
  options: { length: number; headSize: number; scale: number; window?: number | undefined },
): Float64Array {
  const { length, headSize, scale, window = length } = options
  const heads = query.length / headSize
  const width = keys.length / length
  const groups = width / headSize
  const out = new Float64Array(query.length)
  for (let head = 0; head < heads; head++) {
    const group = Math.floor((head * groups) / heads)
    const scores: number[] = []
    for (let p = Math.max(0, length - window); p < length; p++) {
      let score = 0
      for (let i = 0; i < headSize; i++) score += query[head * headSize + i]! * keys[p * width + group * headSize + i]!
      scores.push(score * scale)
    }
    const highest = scores.reduce((a, b) => Math.max(a, b))
    const weights = scores.map((score) => Math.exp(score - highest))
    const total = weights.reduce((a, b) => a + b)
    for (const [j, weight] of weights.entries()) {
      const from = (length - weights.length + j) * width + group * headSize
      for (let i = 0; i < headSize; i++) out[head * headSize + i]! += (weight / total) * values[from + i]!
    }
  }
  return out
}

/** `gate * sigmoid(gate) * up`. */
export function swiglu(gate: Values, up: Values): Float64Array {
  return Float64Array.from(
    gate,
    (g, i) => (g < 0 ? (g * Math.exp(g)) / (1 + Math.exp(g)) : g / (1 + Math.exp(-g))) * up[i]!,
  )
}

/** The winners of `logits [rows, size]` after adding noise (in f32), with their logits and log-sum-exp, both without. */
export function select(
  logits: Values,
  noise: Values | undefined,
  size: number,
): { ids: number[]; scores: Float64Array } {
  const ids: number[] = []
  const scores = new Float64Array((logits.length / size) * 2)
  for (let row = 0; row < logits.length / size; row++) {
    let best = -1
    let bestValue = Number.NEGATIVE_INFINITY
    let highest = Number.NEGATIVE_INFINITY
    for (let i = 0; i < size; i++) {
      const logit = logits[row * size + i]!
      const value = noise ? Math.fround(logit + noise[row * size + i]!) : logit
      if (best < 0 || value > bestValue) [best, bestValue] = [i, value]
      highest = Math.max(highest, logit)
    }
    let total = 0
    for (let i = 0; i < size; i++) total += Math.exp(logits[row * size + i]! - highest)
    ids.push(best)
    scores[row * 2] = logits[row * size + best]!
    // Of nothing but minus infinities the exponentials are 0, and so is their sum.
    scores[row * 2 + 1] = highest === Number.NEGATIVE_INFINITY ? highest : highest + Math.log(total)
  }
  return { ids, scores }
}
