// The charts of a search: best so far, skip sets by cost and acceptance, what the best skip, predicted against measured.

import { describeSkip } from '../summary.ts'
import type { Chart, Dot } from './chart.ts'
import { fastest, type SearchFigures, type SetFigures, type SoFar, type StrategyFigures } from './search-figures.ts'

/** Dots that a browser draws at ease. */
export const mostDots = 2000

const speedup = 'speed-up over plain decoding'

export function soFarChart({ strategies }: SearchFigures): Chart {
  const last = Math.max(1, ...strategies.map(({ soFar }) => soFar.length))
  const shown = soFarRange(strategies)
  return {
    id: 'best-so-far',
    label: 'Best speed-up so far by evaluation, a line for each strategy; the table below has the figures',
    x: { title: 'evaluations', unit: 'count', min: Math.min(1, last - 1), max: last },
    y: { title: speedup, ...shown },
    series: [
      ...strategies.map(({ strategy, soFar }, colour) => ({
        kind: 'line' as const,
        name: strategy,
        colour,
        shape: 'steps' as const,
        points: steps(soFar),
      })),
      ...(shown.min <= 1
        ? [
            {
              kind: 'line' as const,
              name: 'plain decoding',
              colour: -1,
              stroke: 'dashed' as const,
              points: [1, last].map((x) => ({ x, y: 1 })),
            },
          ]
        : []),
    ],
  }
}

/**
 * The speed-ups shown: from where the slowest was after a tenth of its evaluations, since what comes before, the same for all,
 * would leave no room for what tells them apart.
 */
export function soFarRange(strategies: readonly StrategyFigures[]): { min: number; max: number } {
  const early = strategies.map(({ soFar }) => soFar[Math.floor((soFar.length - 1) / 10)]!.low)
  return rangeOf(Math.min(...early), Math.max(...strategies.map(({ soFar }) => soFar.at(-1)!.high)))
}

/** What an axis shows of values from `low` to `high`: rounded away from both, and never nothing. */
function rangeOf(low: number, high: number): { min: number; max: number } {
  const step = 10 ** Math.floor(Math.log10(Math.max(high - low, 0.1))) / 2
  const rounded = (steps: number): number => Number((steps * step).toFixed(6))
  const [min, max] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)]
  return min < max ? { min: rounded(min), max: rounded(max) } : { min: rounded(min - 1), max: rounded(max + 1) }
}

/** Where something changes, and both ends. */
function steps(soFar: readonly SoFar[]): Dot[] {
  const same = (a: SoFar | undefined, b: SoFar): boolean =>
    a?.median === b.median && a.low === b.low && a.high === b.high
  return soFar
    .filter((now, i) => !same(soFar[i - 1], now) || i === soFar.length - 1)
    .map(({ evaluation, median, low, high, count }) => ({
      x: evaluation,
      y: median,
      ...(count > 1 && { low, high }),
    }))
}

export function paretoChart(figures: SearchFigures): Chart {
  const { strategies, front } = figures
  const dots = (sets: readonly SetFigures[]): Dot[] =>
    sets.flatMap(({ draft, acceptance, ...set }) =>
      acceptance === undefined ? [] : [{ x: draft, y: acceptance, label: labelOf(set) }],
    )
  return {
    id: 'acceptance-cost',
    label: 'Acceptance of the first drafted token against the cost of a draft pass; the tables below have the figures',
    x: { title: 'a draft pass, over a plain pass', min: 0 },
    y: { title: 'first draft accepted', unit: 'share' },
    series: [
      ...strategies.map(({ strategy, best }, colour) => ({
        kind: 'dots' as const,
        name: `best of ${strategy}`,
        colour,
        size: 'large' as const,
        points: dots([best]),
      })),
      { kind: 'line', name: 'Pareto front', colour: 6, shape: 'steps', points: dots(front) },
      { kind: 'dots', name: 'skip sets', colour: -1, points: dots(shownSets(figures)) },
    ],
  }
}

/** All sets, or the fastest and an even choice of the others. */
export function shownSets({ sets }: SearchFigures): readonly SetFigures[] {
  if (sets.length <= mostDots) return sets
  const half = mostDots / 2
  const step = (sets.length - half) / half
  return [...sets.slice(0, half), ...Array.from({ length: half }, (_, i) => sets[half + Math.floor(i * step)]!)]
}

function labelOf({ skip, speedup, draftLength }: Pick<SetFigures, 'skip' | 'speedup' | 'draftLength'>): string {
  return `speed-up ${speedup.toFixed(3)}, draft length ${draftLength}\nskips ${shortened(describeSkip(skip))}`
}

function shortened(text: string): string {
  return text.length > 90 ? `${text.slice(0, 89)}…` : text
}

export function frequencyChart({ bestTenth: { shares } }: SearchFigures): Chart {
  const layers = shares.length / 2
  const of = (offset: number): number[] => Array.from({ length: layers }, (_, layer) => shares[2 * layer + offset]!)
  return {
    id: 'best-tenth',
    label: 'How often each sublayer is skipped by the fastest tenth; the table below has the figures',
    x: { title: 'layer', names: Array.from({ length: layers }, (_, layer) => `${layer}`) },
    y: { title: 'skipped by', unit: 'share', min: 0, max: 1 },
    series: [
      { kind: 'bars', name: 'attention', colour: 0, values: of(0) },
      { kind: 'bars', name: 'MLP', colour: 1, values: of(1) },
    ],
  }
}

export function confirmedChart({ confirmed }: SearchFigures): Chart {
  const ends = confirmed.flatMap(({ predicted, speedup }) => [predicted, speedup.low, speedup.high])
  const [low, high] = [Math.min(...ends), Math.max(...ends)]
  const { min: from, max: to } = rangeOf(low, high)
  return {
    id: 'predicted-measured',
    label: 'Measured against predicted speed-up of each confirmed set; the table below has the figures',
    x: { title: 'predicted', min: from, max: to },
    y: { title: 'measured (quartiles)', min: from, max: to },
    series: [
      {
        kind: 'dots',
        name: 'confirmed sets',
        colour: 0,
        size: 'large',
        points: confirmed.map(({ predicted, speedup, draftLength, skip }) => ({
          x: predicted,
          y: speedup.median,
          low: speedup.low,
          high: speedup.high,
          label: `draft length ${draftLength}\nskips ${shortened(describeSkip(skip))}`,
        })),
      },
      { kind: 'line', name: 'as predicted', colour: -1, points: [from, to].map((at) => ({ x: at, y: at })) },
    ],
  }
}

/** Those that have something to show. */
export function searchCharts(figures: SearchFigures): Chart[] {
  if (figures.sets.length === 0) return []
  return [
    soFarChart(figures),
    paretoChart(figures),
    ...(fastest(figures) ? [frequencyChart(figures)] : []),
    ...(figures.confirmed.length > 0 ? [confirmedChart(figures)] : []),
  ]
}
