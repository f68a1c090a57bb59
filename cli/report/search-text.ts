// What the terminal shows of a search: what it came to, the strategies, a plot, the skip map and what was confirmed.

import type { BarStyle } from '../histogram.ts'
import { plot } from '../plot.ts'
import { formatTable } from '../table.ts'
import { printable } from '../terminal.ts'
import { soFarRange } from './search-charts.ts'
import { fastest, knowsLosses, type SearchFigures, type StrategyFigures } from './search-figures.ts'
import { conditions, confirmedTable, strategyNotes, strategyTable, type Table, verdict } from './search-tables.ts'

/** The summary as text, with a newline at its end. Names that a journal has are shown on one line, without control characters. */
export function searchText(figures: SearchFigures, style: BarStyle): string {
  const shown: SearchFigures = {
    ...figures,
    strategies: figures.strategies.map((strategy) => ({ ...strategy, strategy: oneLine(strategy.strategy) })),
  }
  const parts = [
    formatTable(
      [{ title: 'search' }, { title: oneLine(figures.header.model) }],
      conditions(shown)
        .slice(1)
        .map(([what, value]) => [what, oneLine(value)]),
    ),
    verdict(shown).join('\n'),
  ]
  if (figures.sets.length > 0) {
    parts.push(`${table(strategyTable(shown))}\n\n${strategyNotes.join('\n')}`)
    if (fastest(figures)) parts.push(curves(shown, style))
    parts.push(skipMap(shown, style))
  }
  if (figures.confirmed.length > 0) parts.push(table(confirmedTable(shown)))
  return `${parts.join('\n\n')}\n`
}

function oneLine(text: string): string {
  return printable(text).replace(/\s+/g, ' ')
}

function table({ columns, rows }: Table): string {
  return formatTable(columns, rows)
}

const marks = ['o', '+', 'x', '*', '#', '@', '%', '&'] as const

/** Columns that the figures of an axis and what begins a line take. */
const margin = 10

/** The medians of the best so far. */
function curves({ strategies }: SearchFigures, { columns }: BarStyle): string {
  const longest = Math.max(...strategies.map(({ soFar }) => soFar.length))
  const width = Math.max(2, Math.min(longest, columns - margin, 72))
  const at = (column: number): number => Math.round((column * (longest - 1)) / (width - 1))
  const drawn = strategies.slice(0, marks.length).map((strategy, i) => ({ mark: marks[i]!, strategy }))
  const values = ({ soFar }: StrategyFigures): number[] =>
    Array.from({ length: width }, (_, column) => soFar[Math.min(at(column), soFar.length - 1)]!.median)
  const middle = at(Math.floor((width - 1) / 2)) + 1
  const under = [`${1}`, width < 20 ? '' : `${middle}`, `${longest}`] as const
  return [
    `Best speed-up so far by evaluation: ${drawn.map(({ mark, strategy }) => `${mark} ${strategy.strategy}`).join(', ')}`,
    '',
    plot(
      drawn.map(({ mark, strategy }) => ({ mark, values: values(strategy) })),
      { base: Math.max(1, soFarRange(strategies).min), height: 10, under },
    ),
  ].join('\n')
}

/** The best set of each strategy, a column for each layer; where they are more than fit, in several parts. */
function skipMap(figures: SearchFigures, { columns, blocks }: BarStyle): string {
  const { strategies, bestTenth, header } = figures
  const layers = header.sublayers / 2
  const [skipped, runs] = blocks ? ['█', '·'] : ['#', '.']
  const tenth = (share: number): string => (share === 0 ? runs : share === 1 ? skipped : `${Math.floor(10 * share)}`)
  const sources = [
    ...strategies.map(({ strategy, best }) => ({
      name: strategy,
      cell: (i: number) => (best.key[i] === '1' ? skipped : runs),
    })),
    ...(fastest(figures) ? [{ name: 'fastest tenth', cell: (i: number) => tenth(bestTenth.shares[i]!) }] : []),
  ]
  const names = Math.max(...sources.map(({ name }) => name.length))
  // Whole tens, so that each part begins with a number; a full line would wrap on some terminals.
  const room = 10 * Math.max(1, Math.floor((columns - 1 - names - ' attention '.length) / 10))
  const parts: string[] = []
  for (let from = 0; from < layers; from += room) {
    const to = Math.min(layers, from + room)
    const ruler = Array.from({ length: Math.ceil((to - from) / 10) }, (_, i) => `${from + 10 * i}`.padEnd(10))
    const line = (name: string, kind: string, cells: string): string =>
      `${name.padEnd(names)} ${kind.padEnd('attention'.length)} ${cells}`.trimEnd()
    parts.push(
      [
        line('', 'layer', ruler.join('')),
        ...sources.flatMap(({ name, cell }) =>
          (['attention', 'MLP'] as const).map((kind, offset) =>
            line(
              offset === 0 ? name : '',
              kind,
              Array.from({ length: to - from }, (_, i) => cell(2 * (from + i) + offset)).join(''),
            ),
          ),
        ),
      ].join('\n'),
    )
  }
  const shares = fastest(figures) ? '; of the fastest tenth, in tenths of its sets' : ''
  const which =
    fastest(figures) || !knowsLosses(figures)
      ? 'the best set of each strategy'
      : 'the set of each strategy that loses least'
  return `Skipped (${skipped}) by ${which}${shares}\n\n${parts.join('\n\n')}`
}
