// Free ranges of a memory that can grow at its end.

export interface Gap {
  start: number
  end: number
}

export interface Gaps {
  /** By their start, no two side by side. */
  readonly list: readonly Gap[]
  /** The start of the first range of this size that is free, which is then taken; undefined where there is none. */
  take(size: number): number | undefined
  /** Gives a range back. */
  release(range: Readonly<Gap>): void
}

export function createGaps(first: readonly Gap[] = []): Gaps {
  const gaps: Gap[] = first.map((gap) => ({ ...gap }))
  return {
    list: gaps,
    take(size) {
      const at = gaps.findIndex(({ start, end }) => end - start >= size)
      const gap = gaps[at]
      if (!gap) return undefined
      const { start } = gap
      gap.start += size
      if (gap.start === gap.end) gaps.splice(at, 1)
      return start
    },
    release(range) {
      let after = gaps.findIndex(({ start }) => start >= range.end)
      if (after < 0) after = gaps.length
      const before = gaps[after - 1]
      const next = gaps[after]
      const start = before?.end === range.start ? before.start : range.start
      const end = next?.start === range.end ? next.end : range.end
      const from = start === range.start ? after : after - 1
      gaps.splice(from, (end === range.end ? after : after + 1) - from, { start, end })
    },
  }
}
