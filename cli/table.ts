// Text tables for a terminal: columns as wide as what stands in them.

import { stripVTControlCharacters } from 'node:util'

export interface Column {
  readonly title: string
  /** Default `left`; figures go `right`. */
  readonly align?: 'left' | 'right'
}

/**
 * The table as text, without a newline at its end: titles, a rule, one line a row. A cell that is missing is empty; one
 * with several lines takes as many. Colour codes take no room.
 */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const titles = columns.map(({ title }) => title)
  const body = rows.flatMap(linesOf)
  const widths = columns.map((_, i) => Math.max(...[titles, ...body].map((row) => widthOf(row[i] ?? ''))))
  const format = (row: readonly string[]): string =>
    columns
      .map(({ align }, i) => {
        const cell = row[i] ?? ''
        const space = ' '.repeat(widths[i]! - widthOf(cell))
        return align === 'right' ? space + cell : cell + space
      })
      .join('  ')
      .trimEnd()
  return [titles, widths.map((width) => '-'.repeat(width)), ...body].map(format).join('\n')
}

function linesOf(row: readonly string[]): string[][] {
  const cells = row.map((cell) => cell.split('\n'))
  const height = Math.max(1, ...cells.map((lines) => lines.length))
  return Array.from({ length: height }, (_, line) => cells.map((lines) => lines[line] ?? ''))
}

/** Columns on a terminal: colour codes take none; characters of East Asian scripts are counted as one. */
function widthOf(text: string): number {
  return [...stripVTControlCharacters(text)].length
}
