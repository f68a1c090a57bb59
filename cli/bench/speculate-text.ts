// What `drafthorse bench speculate` prints.

import type { Interval } from '../../bench/interval.ts'
import type { Attainable, SpeculateBench } from '../../bench/speculate.ts'
import type { Model } from '../../model/load-model.ts'
import { describeSkip, percent } from '../summary.ts'
import { formatTable } from '../table.ts'
import { aboutRun, figure, passTable, typesOf } from './report.ts'

export function describeSpeculate(model: Model, result: SpeculateBench): string {
  const { prompts, promptTokens, maxNewTokens, context, leftOut } = result
  const about = [
    aboutRun(model),
    `weights as ${typesOf(model)}; ${model.backend.capabilities.threads} threads; ` +
      `skip set: ${model.skip ? describeSkip(model.skip) : 'none was found'};`,
    `${prompts} prompts of ${promptTokens.median} tokens (median), ${maxNewTokens} new tokens each, greedy, end of sequence ignored,`,
    'interleaved; tokens/s: median (quartiles); over plain decoding: median over prompts (95 % by bootstrap over prompts)',
    ...(leftOut.length > 0 ? [`left out, for the model has no skip set: ${leftOut.join(', ')}`] : []),
  ]
  return [
    ...about,
    '',
    rowsTable(result),
    '',
    `What passes cost after ${context} tokens:`,
    '',
    passTable(result.passCosts),
    ...result.attainable.flatMap((one) => ['', describeAttainable(one)]),
    '',
    ...result.savings.map(({ name, draftLength, ratio, identical }) => {
      const same = identical ? '' : ', and other tokens'
      return `With ${name}, at draft length ${draftLength}: ${interval(ratio)} times the speed without${same}.`
    }),
    '',
  ].join('\n')
}

function rowsTable({ rows, prompts }: SpeculateBench): string {
  return formatTable(
    [
      { title: 'draft' },
      { title: 'length' },
      { title: 'tokens/s', align: 'right' },
      { title: 'over plain', align: 'right' },
      { title: 'predicted', align: 'right' },
      { title: 'time lost', align: 'right' },
      { title: 'by its ledger', align: 'right' },
      { title: 'drafted a round', align: 'right' },
      { title: 'accepted', align: 'right' },
      { title: 'tokens a pass', align: 'right' },
      { title: 'identical', align: 'right' },
    ],
    rows.map((row) => [
      row.draft === 'none' ? 'plain' : row.draft,
      row.draft === 'none' ? '' : row.draftLength,
      figure(row.tokensPerSecond, 1),
      row.draft === 'none' ? '' : interval(row.ratio),
      row.predicted.toFixed(2),
      percent(row.lost),
      row.ledger === undefined ? '-' : percent(row.ledger),
      row.draftedPerRound.toFixed(2),
      row.acceptanceRate === undefined ? '-' : percent(row.acceptanceRate),
      row.tokensPerPass.toFixed(2),
      `${row.identical} of ${prompts}`,
    ]),
  )
}

function interval({ median, low, high }: Interval): string {
  return `${median.toFixed(3)} (${low.toFixed(3)}-${high.toFixed(3)})`
}

function describeAttainable({ draft, costs, runsModel, survival, speedups, best, reached }: Attainable): string {
  const table = formatTable(
    [
      { title: 'k', align: 'right' },
      { title: 'survival', align: 'right' },
      { title: 'R(k)/R(0)', align: 'right' },
    ],
    speedups.map((speedup, i) => [
      `${i + 1}`,
      survival[i] === undefined ? '-' : percent(survival[i]),
      speedup.toFixed(3),
    ]),
  )
  const most =
    best.draftLength === 0
      ? 'no length is faster than plain decoding'
      : `at most ${best.speedup.toFixed(3)}, at length ${best.draftLength}`
  return [
    `${draft}: ${runsModel ? `a draft pass costs ${costs.draft.toFixed(2)} of a plain one; verification reuses ${costs.prefixShare.toFixed(2)} of one` : 'guesses cost nothing'};`,
    `what these costs and drafts allow: ${most}.`,
    '',
    table,
    '',
    `Reached of it: ${reached.map(({ draftLength, share }) => `${draftLength} ${percent(share)}`).join(', ')}.`,
  ].join('\n')
}
