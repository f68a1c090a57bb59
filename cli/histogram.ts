// Bars in a terminal, and the histogram of how many drafted tokens were accepted in a round.

import { formatTable } from './table.ts'

export interface BarStyle {
  /** Columns of the terminal. */
  readonly columns: number
  /** Whether block characters show; else bars are of `#`. */
  readonly blocks: boolean
}

/** One to seven eighths of a column. */
const eighths = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const

/** A bar of `share` (0 to 1) of `width` columns, to an eighth of a column, or to a whole one. What is above 0 shows. */
export function bar(share: number, { width, blocks }: { readonly width: number; readonly blocks: boolean }): string {
  if (!(share > 0)) return ''
  if (!blocks) return '#'.repeat(Math.max(1, Math.round(share * width)))
  const size = Math.max(1, Math.round(8 * share * width))
  return '█'.repeat(Math.floor(size / 8)) + (eighths[(size % 8) - 1] ?? '')
}

/**
 * `acceptedByRound[n]` rounds accepted n drafted tokens: a line for every n, with bars that fill the terminal, of which the
 * longest is of the most frequent. No newline at the end.
 */
export function acceptedHistogram(acceptedByRound: readonly number[], { columns, blocks }: BarStyle): string {
  const rounds = acceptedByRound.reduce((sum, count) => sum + count, 0)
  const most = Math.max(1, ...acceptedByRound)
  const titles = ['accepted', 'rounds', 'share']
  const left = acceptedByRound.map((count, accepted) => [
    `${accepted}`,
    `${count}`,
    `${((100 * count) / Math.max(1, rounds)).toFixed(0)} %`,
  ])
  const taken = titles.map((title, i) => Math.max(title.length, ...left.map((row) => row[i]!.length)) + 2)
  const room = columns - 1 - taken.reduce((sum, width) => sum + width, 0) // a full line would wrap on some terminals
  const width = Math.max(1, room)
  return formatTable(
    [...titles.map((title) => ({ title, align: 'right' as const })), { title: '' }],
    left.map((row, accepted) => [...row, bar(acceptedByRound[accepted]! / most, { width, blocks })]),
  )
}
