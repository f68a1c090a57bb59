// Drawing a token, for the exercise in rejection.md and for its checks.

/** The token at this share of the weights, from 0 to below 1, counted from token 0; the weights need not add up to 1. */
export function draw(weights: Float64Array, share: number): number {
  let left = share * weights.reduce((sum, weight) => sum + weight)
  let token = 0
  for (const [id, weight] of weights.entries()) {
    if (weight === 0) continue
    token = id
    left -= weight
    if (left < 0) break
  }
  return token
}
