// Curves in plain text, for whoever would rather look than read a table.

export interface Curve {
  /** One character. */
  readonly mark: string
  /** From left to right, a column each. */
  readonly values: readonly number[]
}

export interface PlotOptions {
  /** The lowest value shown: a line; curves are left out where they are no higher. */
  readonly base: number
  /** Lines above that one. */
  readonly height: number
  /** Words under the first column, the middle one and the last. */
  readonly under: readonly [string, string, string]
}

/** The plot as text, without a newline at its end. Where curves meet, the one named first is seen. */
export function plot(curves: readonly Curve[], { base, height, under }: PlotOptions): string {
  const width = Math.max(...curves.map(({ values }) => values.length))
  // A little room above the base even where no curve leaves it.
  const top = Math.max(base + 0.1, ...curves.flatMap(({ values }) => values))
  const cells = Array.from({ length: height + 1 }, (_, line) => new Array<string>(width).fill(line === 0 ? '-' : ' '))
  for (const { mark, values } of curves.toReversed()) {
    for (const [column, value] of values.entries()) {
      if (value > base) cells[Math.round((height * (value - base)) / (top - base))]![column] = mark
    }
  }
  const figures = cells.map((_, line) => (base + ((top - base) * line) / height).toFixed(2))
  const margin = Math.max(...figures.map((figure) => figure.length))
  const lines = cells.map(
    (row, line) => `${line % 2 === 0 ? figures[line]!.padStart(margin) : ' '.repeat(margin)} |${row.join('')}`,
  )
  const [left, middle, right] = under
  const foot = left.padEnd(Math.round((width - middle.length) / 2)) + middle
  const axis = foot.padEnd(width - right.length) + right
  return [...lines.toReversed(), `${' '.repeat(margin + 2)}${axis}`].map((line) => line.trimEnd()).join('\n')
}
