// Figures that can only rise, from measurements that need not.

/** The non-decreasing figures nearest to these in squares, by pooling those that fall (Ayer et al. 1955). */
export function nonDecreasing(figures: readonly number[]): number[] {
  const pools: { mean: number; count: number }[] = []
  for (const figure of figures) {
    let pool = { mean: figure, count: 1 }
    while (pools.length > 0 && pools.at(-1)!.mean > pool.mean) {
      const { mean, count } = pools.pop()!
      pool = { mean: (mean * count + pool.mean * pool.count) / (count + pool.count), count: count + pool.count }
    }
    pools.push(pool)
  }
  return pools.flatMap(({ mean, count }) => new Array<number>(count).fill(mean))
}
