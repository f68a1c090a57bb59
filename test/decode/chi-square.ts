// Whether counts follow a law.

/**
 * Of `counts` drawn by `probabilities`: the chance of a worse fit if they are, bins of fewer than 5 expected put together
 * (Pearson's chi-square; Wilson and Hilferty 1931 for its tail).
 */
export function chanceOfWorse(counts: readonly number[], probabilities: readonly number[]): number {
  const draws = counts.reduce((sum, count) => sum + count, 0)
  let [statistic, bins, restCount, restExpected] = [0, 0, 0, 0]
  const add = (count: number, expected: number): void => {
    statistic += (count - expected) ** 2 / expected
    bins++
  }
  for (const [i, count] of counts.entries()) {
    const expected = probabilities[i]! * draws
    if (expected >= 5) add(count, expected)
    else {
      restCount += count
      restExpected += expected
    }
  }
  if (restExpected >= 5) add(restCount, restExpected)
  else if (restCount > 0 && restExpected === 0) return 0
  const freedom = bins - 1
  const spread = 2 / (9 * freedom)
  const z = (Math.cbrt(statistic / freedom) - (1 - spread)) / Math.sqrt(spread)
  return upperTail(z)
}

/** Of the normal distribution (Abramowitz and Stegun 26.2.17; to 7.5e-8). */
function upperTail(z: number): number {
  if (z < 0) return 1 - upperTail(-z)
  const t = 1 / (1 + 0.2316419 * z)
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * series
}
