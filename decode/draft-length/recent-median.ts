// The median of the figures lately seen: what a garbage collection or a busy machine does to a few of them does not show.

export interface RecentMedian {
  /** Figures that count at present. */
  readonly count: number
  /** Of these; NaN while there are none. */
  readonly median: number
  add(figure: number): void
}

/** How far figures lie from the median when they may be of another regime: a fifth, up or down. */
const apart = 1.2
/** So many on one side in a row are another regime; noise that meets one figure in 20 does that once in 160,000. */
const inARow = 4

export interface RecentMedianOptions {
  /** Figures that count at most. */
  readonly size: number
  /** Whether to forget what was before where four in a row lie on one side of it. Default true. */
  readonly restarts?: boolean
}

export function recentMedian({ size, restarts = true }: RecentMedianOptions): RecentMedian {
  let figures: number[] = []
  let median = Number.NaN
  let before = 0
  return {
    get count() {
      return figures.length
    },
    get median() {
      return median
    },
    add(figure) {
      figures = [...figures, figure].slice(-size)
      const side = sideOf(figure, median)
      before = side !== 0 && Math.sign(before) === side ? before + side : side
      if (restarts && Math.abs(before) >= inARow) {
        figures = figures.slice(-inARow)
        before = 0
      }
      median = medianOf(figures)
    },
  }
}

/** 1 where a figure lies well above another, -1 well below, 0 near it or where there is none. */
export function sideOf(figure: number, other: number): -1 | 0 | 1 {
  if (figure > other * apart) return 1
  return figure * apart < other ? -1 : 0
}

function medianOf(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
