// What is said of a search in the terminal and in a page alike: sentences, and tables of text.

import type { Spread } from '../../decode/timing.ts'
import { fastest as fastestTimed, unasked } from '../../search/verdict.ts'
import { describeSkip, percent } from '../summary.ts'
import type { Column } from '../table.ts'
import { type ConfirmedFigures, fastest, nearShare, type SearchFigures, type SetFigures } from './search-figures.ts'

export interface Table {
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly string[])[]
}

/** Under which conditions the figures hold. */
export function conditions({ header, evaluations, sets }: SearchFigures): [what: string, value: string][] {
  const { model, modelId, backend, dtype, threads, sublayers, prompts, draftLengths, objective, version, date } = header
  return [
    ['model', model],
    ['model id', modelId.slice(0, 16)],
    ['backend', backend],
    ['weights', dtype],
    ['threads', `${threads}`],
    ['sublayers', `${sublayers}, two in each of ${sublayers / 2} layers`],
    ['prompts', `${prompts.count}, ${prompts.tokens} tokens`],
    ['drafts', `up to ${draftLengths} tokens`],
    ['evaluations', `${evaluations}, of ${sets.length} different sets`],
    ['objective', objective.slice(0, 16)],
    ['version', `drafthorse ${version}`],
    ['date', date],
  ]
}

/** What the search came to: first what it expects, then what was measured. */
export function verdict(figures: SearchFigures): string[] {
  const { sets, strategies, confirmed } = figures
  if (sets.length === 0) return ['Nothing was evaluated yet.']
  const best = fastest(figures)
  if (!best) return [plainVerdict(sets)]
  const finder = strategies.find((strategy) => strategy.best.key === best.key)
  return [
    `Expected: ${best.speedup.toFixed(3)} times plain decoding by skipping ${describeSkip(best.skip)} in drafts of ${best.draftLength} (found by ${finder?.strategy}).`,
    measured(confirmed, best),
    ...confirmed
      .filter(({ identical }) => !identical)
      .map(({ skip }) => `NOT IDENTICAL: skipping ${describeSkip(skip)}, drafting changed what is generated.`),
  ]
}

function plainVerdict(sets: readonly SetFigures[]): string {
  const none = `Plain decoding is fastest here: none of ${sets.length} sets is expected to beat it`
  const nearest = sets.find(({ key, drafted }) => key.includes('1') && drafted !== undefined)
  if (!nearest) return `${none}.`
  const comes = nearest.acceptance === undefined ? 'may come nearest,' : 'comes nearest, at'
  return `${none}; skipping ${describeSkip(nearest.skip)} ${comes} ${draftingOf(nearest)} of its speed.`
}

/** What drafting brings, or could bring of a set with which no draft was tried. */
function draftingOf({ drafted, acceptance }: SetFigures): string {
  if (drafted === undefined) return '-'
  return acceptance === undefined ? `at most ${drafted.toFixed(3)}` : drafted.toFixed(3)
}

function measured(confirmed: readonly ConfirmedFigures[], expected: SetFigures): string {
  const right = confirmed.filter(({ identical }) => identical).toSorted((a, b) => unasked(b).median - unasked(a).median)
  const [highest] = right
  if (!highest) return 'No set was confirmed by timed runs: what is expected was not measured.'
  const among = `of ${right.length} ${right.length === 1 ? 'set' : 'sets'} confirmed`
  // What was picked by its first timing counts by its second, as it did for the search.
  const again = confirmed.filter((run) => run.again)
  const best = fastestTimed(again.length > 0 ? again : confirmed)
  if (!best) {
    return `Measured: plain decoding is fastest; ${among}, none beat it beyond chance, and the best reached ${spreadOf(unasked(highest), 3)} of it.`
  }
  const which = best.key === expected.key ? 'with that set' : `by skipping ${describeSkip(best.skip)}`
  return `Measured: ${spreadOf(unasked(best), 3)} times plain decoding ${which}, the fastest ${among}.`
}

const right = (title: string): Column => ({ title, align: 'right' })

/** A line for each strategy. */
export function strategyTable({ strategies }: SearchFigures): Table {
  return {
    columns: [
      { title: 'strategy' },
      right('seeds'),
      right('evaluations'),
      right('speed-up'),
      right('best'),
      right('draft length'),
      right(`to ${100 * nearShare} %`),
      right('seconds'),
      { title: 'ended' },
    ],
    rows: strategies.map(({ strategy, seeds, evaluations, speedup, best, toReach, seconds, ended }) => [
      strategy,
      `${seeds.length}`,
      spreadOf(evaluations, 0),
      spreadOf(speedup, 3),
      best.speedup.toFixed(3),
      `${best.draftLength}`,
      spreadOf(toReach, 0),
      seconds.toFixed(1),
      Object.entries(ended)
        .map(([reason, count]) => (seeds.length === 1 ? reason : `${count} ${reason}`))
        .join(', '),
    ]),
  }
}

/** What the columns of {@link strategyTable} mean. */
export const strategyNotes: readonly string[] = [
  'Speed-up: over plain decoding, the median (quartiles) of what each seed found; best: of all seeds.',
  `To ${100 * nearShare} %: evaluations after which a search had that share of the best speed-up that it found.`,
]

/** `drafting`: with drafts in any case, for where they lose. */
function setColumns(sets: readonly SetFigures[]): readonly (Column & { cell(set: SetFigures): string })[] {
  const loses = sets.some(({ speedup, drafted }) => drafted !== undefined && drafted !== speedup)
  return [
    { ...right('speed-up'), cell: ({ speedup }) => speedup.toFixed(3) },
    ...(loses ? [{ ...right('drafting'), cell: draftingOf }] : []),
    { ...right('draft length'), cell: ({ draftLength }) => `${draftLength}` },
    { ...right('a draft costs'), cell: ({ draft }) => draft.toFixed(3) },
    { ...right('accepted'), cell: ({ acceptance }) => (acceptance === undefined ? '-' : percent(acceptance)) },
    { title: 'skipped', cell: ({ skip }) => describeSkip(skip) },
  ]
}

export function setTable(sets: readonly SetFigures[]): Table {
  const columns = setColumns(sets)
  return { columns, rows: sets.map((set) => columns.map(({ cell }) => cell(set))) }
}

/** The best set of each strategy. */
export function bestTable({ strategies }: SearchFigures): Table {
  const { columns, rows } = setTable(strategies.map(({ best }) => best))
  return {
    columns: [{ title: 'strategy' }, ...columns],
    rows: strategies.map(({ strategy }, i) => [strategy, ...rows[i]!]),
  }
}

export function confirmedTable({ confirmed }: SearchFigures): Table {
  return {
    columns: [
      right('measured'),
      right('predicted'),
      right('difference'),
      right('unasked length'),
      right('plain, tokens/s'),
      right('drafting, tokens/s'),
      right('runs'),
      right('draft length'),
      { title: 'same text' },
      { title: 'skipped' },
    ],
    rows: confirmed.map(
      ({ speedup, predicted, difference, costModel, plain, drafted, draftLength, identical, skip }) => [
        spreadOf(speedup, 3),
        predicted.toFixed(3),
        signedPercent(difference),
        costModel ? spreadOf(costModel, 3) : '',
        spreadOf(plain, 1),
        spreadOf(drafted, 1),
        `${speedup.count}`,
        `${draftLength}`,
        identical ? 'yes' : 'NO',
        describeSkip(skip),
      ],
    ),
  }
}

/** The best so far after each evaluation that changed it for some strategy, and after the last. */
export function soFarTable({ strategies }: SearchFigures): Table {
  const longest = Math.max(0, ...strategies.map(({ soFar }) => soFar.length))
  const rows: string[][] = []
  let before = ''
  for (let i = 0; i < longest; i++) {
    const cells = strategies.map(({ soFar }) => spreadOf(soFar[Math.min(i, soFar.length - 1)]!, 3))
    if (cells.join() !== before || i === longest - 1) rows.push([`${i + 1}`, ...cells])
    before = cells.join()
  }
  return { columns: [right('evaluation'), ...strategies.map(({ strategy }) => right(strategy))], rows }
}

/** How often each sublayer is skipped by the best. */
export function frequencyTable({ bestTenth: { shares } }: SearchFigures): Table {
  return byLayer(shares)
}

/** What the speed-ups are computed from. */
export function passTable({ header: { verify } }: SearchFigures): Table {
  return {
    columns: [right('rows in a pass'), right('T(m)/T(1)')],
    rows: verify.map((cost, i) => [`${i + 1}`, cost.toFixed(3)]),
  }
}

export function costTable({ header: { costs } }: SearchFigures): Table {
  return byLayer(costs)
}

/** A share of each sublayer, a row a layer: `[2 * layers]`. */
function byLayer(shares: readonly number[]): Table {
  return {
    columns: [right('layer'), right('attention'), right('MLP')],
    rows: Array.from({ length: shares.length / 2 }, (_, layer) => [
      `${layer}`,
      percent(shares[2 * layer]!),
      percent(shares[2 * layer + 1]!),
    ]),
  }
}

/** The median, with the quartiles in brackets where they differ from it. */
export function spreadOf({ median, low, high }: Spread, digits: number): string {
  const [middle, from, to] = [median, low, high].map((figure) => figure.toFixed(digits))
  return from === to ? `${middle}` : `${middle} (${from}-${to})`
}

function signedPercent(share: number): string {
  return `${share < 0 ? '-' : '+'}${percent(Math.abs(share))}`
}
