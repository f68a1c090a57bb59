// What `drafthorse bench payoff` says to people: what was measured, what was extrapolated, and what follows.

import { idleEnough } from '../../bench/cpu-use.ts'
import type { LayerFit } from '../../bench/layer-fit.ts'
import { bestLength, type Outlook, type Payoff, type PayoffPasses } from '../../bench/payoff.ts'
import type { WeightsSummary } from '../../model/weights.ts'
import { plot } from '../plot.ts'
import { percent } from '../summary.ts'
import { type Column, formatTable } from '../table.ts'
import { aboutRun, figure, passTable, type ToldBackend, typesOf } from './report.ts'

/** What passes are of. */
export interface Subject {
  readonly name: string
  readonly backend: ToldBackend
  /** Tensors by the type in which they run. */
  readonly running: WeightsSummary['running']
}

/** The whole report; `others` is the share of the machine that other processes had while passes were timed, 0 to 1. */
export function describePayoff(subject: Subject & { readonly others: number }, result: Payoff): string {
  return [
    aboutRun(subject),
    `weights: ${typesOf({ summary: subject })}; medians (quartiles)`,
    ...(subject.others > idleEnough
      ? [`Other processes had ${percent(subject.others)} of the machine meanwhile: measure again when it is quiet.`]
      : []),
    '',
    ...(result.source === 'measured'
      ? [`All ${result.layers} layers ran: every figure is measured.`, '', passTable(result.passes)]
      : extrapolation(result, result)),
    '',
    'Speed-up over plain decoding by the chance that a drafted token is right, at the best draft length (in brackets).',
    'Drafts skip the last layers, which leaves most to reuse: a skip set that begins earlier gains less by prefix reuse.',
    '',
    gainTable(result),
    '',
    `Speed-up by that chance, without prefix reuse: ${marks.map((mark, i) => `${mark} ${shareOf(result, i)}`).join(', ')} of the layers skipped.`,
    '',
    curves(result),
    '',
  ].join('\n')
}

type Extrapolated = Extract<PayoffPasses, { source: 'extrapolated' }>

/** Which figures are measured and which are not, and by what line. */
function extrapolation({ passes, fits }: Extrapolated, { layers }: Payoff): string[] {
  const counts = fits[0]!.measured.map((point) => point.layers)
  const between = fits[0]!.residual?.layers
  const measured = formatTable(
    ['rows in a pass', ...counts.map((count) => `${count} ${count === 1 ? 'layer' : 'layers'}, ms`)].map(right),
    fits.map((fit) => [`${fit.rows}`, ...fit.measured.map(({ ms }) => figure(ms, 1))]),
  )
  const columns = [
    'rows in a pass',
    'each layer, ms',
    'the rest, ms',
    `${layers} layers, ms`,
    'T(m)/T(1)',
    ...(between === undefined ? [] : [`line off at ${between}`]),
    ...(passes[0]!.operations ? ['operations', 'us each'] : []),
  ]
  const extrapolated = formatTable(
    columns.map(right),
    fits.map(({ rows, residual, layer, rest }, i) => {
      const { ms, ratio, operations } = passes[i]!
      return [
        ...[`${rows}`, layer.toFixed(2), rest.toFixed(2), ms.median.toFixed(1), ratio.toFixed(2)],
        ...(residual ? [signedPercent(residual.share)] : []),
        ...(operations ? [`${operations.count}`, operations.microseconds.toFixed(1)] : []),
      ]
    }),
  )
  return [
    `Measured: passes through ${listed(counts)} of ${layers} layers.`,
    '',
    measured,
    '',
    `Extrapolated to ${layers} layers, by the line through ${listed([counts[0]!, counts.at(-1)!])} of them; what stands below rests on it.`,
    worst(fits),
    '',
    extrapolated,
  ]
}

/** How far the lines are from what lies between their ends. */
function worst(fits: readonly LayerFit[]): string {
  const shares = fits.flatMap(({ residual }) => (residual ? [Math.abs(residual.share)] : []))
  if (shares.length === 0) return 'There was no room for a third count of layers: the line is not checked.'
  const most = Math.max(...shares)
  const found = `At ${fits[0]!.residual!.layers} layers it is off by ${percent(most)} of what was measured at most`
  return most > 0.1 ? `${found}: too much to rely on. Repeat more (--repeats), on a quiet machine.` : `${found}.`
}

function right(title: string): Column {
  return { title, align: 'right' }
}

/** `2, 4 and 6`. */
function listed(counts: readonly number[]): string {
  return [counts.slice(0, -1).join(', '), `${counts.at(-1)}`].filter((part) => part !== '').join(' and ')
}

function gainTable({ rows }: Payoff): string {
  const cells = ({ breakEven, gains }: Outlook): string[] => [
    breakEven < 1 ? percent(breakEven) : 'never',
    ...gains.map(({ draftLength, speedup }) =>
      draftLength === 0 ? '1 (plain)' : `${speedup.toFixed(2)} (${draftLength})`,
    ),
  ]
  return formatTable(
    [
      ...['layers skipped', 'a draft costs'].map(right),
      { title: 'prefix reuse' },
      right('pays from'),
      ...rows[0]!.gains.map(({ acceptance }) => right(`at ${percent(acceptance)}`)),
    ],
    rows.flatMap((row) => [
      [`${percent(row.share)} (${row.layersSkipped})`, row.draftCost.toFixed(2), 'no', ...cells(row)],
      ['', '', `${percent(row.reuse.prefixShare)} of a pass`, ...cells(row.reuse)],
    ]),
  )
}

/** One for each share. */
const marks = ['o', '+', 'x'] as const

function shareOf({ rows }: Payoff, i: number): string {
  return percent(rows[i]!.share)
}

function curves({ rows, passes }: Payoff): string {
  const verifyCosts = passes.map(({ ratio }) => ratio)
  const chances = Array.from({ length: 51 }, (_, i) => i / 50)
  return plot(
    marks.map((mark, i) => ({
      mark,
      values: chances.map((chance) => bestLength(chance, { draftCost: rows[i]!.draftCost, verifyCosts }).speedup),
    })),
    { base: 1, height: 12, under: ['0 %', '50 %', '100 %'] },
  )
}

function signedPercent(share: number): string {
  return `${share < 0 ? '-' : '+'}${percent(Math.abs(share))}`
}
