// All figures of a generation as tables: what `--stats` shows.

import type { GenerationResult } from '../decode/events.ts'
import type { GenerationStats } from '../decode/stats.ts'
import { acceptedHistogram, type BarStyle } from './histogram.ts'
import { describeSkip, percent } from './summary.ts'
import { formatTable } from './table.ts'

/** The tables, with an empty line between them and none at the end: what was done, by which draft, and where the time went. */
export function statsReport({ finishReason, stats }: GenerationResult, style: BarStyle): string {
  const { newTokens, draftedTokens, acceptedByRound } = stats
  const title = [{ title: 'generation' }, { title: `${newTokens} tokens (${finishReason})` }]
  const parts = [formatTable(title, facts(stats)), ...byDraft(stats), times(stats)]
  if (draftedTokens > 0) parts.push(acceptedHistogram(acceptedByRound, style))
  return parts.join('\n\n')
}

function facts(stats: GenerationStats): [what: string, figure: string][] {
  const { draft, draftLength, skip, seed, promptTokens, reusedTokens, newTokens, rounds } = stats
  const cached = reusedTokens > 0 ? `, ${reusedTokens} of them cached` : ''
  const rows: [string, string | undefined][] = [
    ['prompt', `${promptTokens} tokens${cached}`],
    ['seed', seed?.toString()],
    ['draft', draft],
    ['draft length', draftLength],
    ['skipped in drafts', skip && describeSkip(skip)],
    ['rounds', `${rounds}, a pass of the full model each`],
    ['tokens a pass', rounds > 0 ? (newTokens / rounds).toFixed(2) : undefined],
    ...draftFacts(stats),
    ['speed', stats.tokensPerSecond === undefined ? undefined : `${stats.tokensPerSecond.toFixed(1)} tokens/s`],
    ['speed-up', speedup(stats)],
  ]
  return rows.flatMap(([what, figure]) => (figure === undefined ? [] : [[what, figure]]))
}

function draftFacts({ draft, ...stats }: GenerationStats): [what: string, figure: string][] {
  if (draft === 'none') return []
  const { draftPasses, draftedTokens, acceptedTokens } = stats
  return [
    ['draft passes', `${draftPasses}`],
    ['drafted', `${draftedTokens} tokens`],
    ['accepted', `${acceptedTokens} tokens, ${rate(acceptedTokens, draftedTokens)}`],
  ]
}

function speedup({ draft, speedup }: GenerationStats): string | undefined {
  if (draft === 'none') return undefined
  const { predicted, measured } = speedup ?? {}
  const known = [
    ...(measured === undefined ? [] : [`${measured.toFixed(2)} measured`]),
    ...(predicted === undefined ? [] : [`${predicted.toFixed(2)} predicted`]),
  ]
  return known.length === 0 ? undefined : `${known.join(', ')}, over plain decoding`
}

/** What each draft brought, and how many rounds were plain steps; nothing where nobody drafts. */
function byDraft({ drafts = {}, rounds }: GenerationStats): string[] {
  const sources = Object.entries(drafts)
  if (sources.length === 0) return []
  const plain = sources.reduce((left, [, draft]) => left - draft.rounds, rounds)
  const right = (title: string) => ({ title, align: 'right' as const })
  return [
    formatTable(
      [{ title: 'rounds drafted by' }, right('rounds'), right('drafted'), right('accepted'), right('rate')],
      [
        ...sources.map(([name, { rounds, drafted, accepted }]) => [
          name,
          `${rounds}`,
          `${drafted}`,
          `${accepted}`,
          rate(accepted, drafted),
        ]),
        ...(plain > 0 ? [['nobody', `${plain}`, '-', '-', '-']] : []),
      ],
    ),
  ]
}

/** Choosing tokens is part of drafting and verifying, and so stands apart from their sum. */
function times({ draft: drafter, milliseconds, rounds }: GenerationStats): string {
  const { prefill, decode, draft, verify, sample } = milliseconds
  const rows: (readonly [what: string, ms: number, isRound: boolean])[] = [
    ['prefill', prefill, false],
    ['decoding', decode, true],
    ...(drafter === 'none' ? [] : [['  drafting', draft, true] as const]),
    ['  verifying', verify, true],
    ['  the rest', Math.max(0, decode - draft - verify), true],
    ['sampling, in both', sample, true],
  ]
  const whole = prefill + decode
  return formatTable(
    [
      { title: 'time' },
      { title: 'ms', align: 'right' },
      { title: 'share', align: 'right' },
      { title: 'ms a round', align: 'right' },
    ],
    rows.map(([what, ms, isRound]) => [
      what,
      ms.toFixed(1),
      rate(ms, whole),
      isRound && rounds > 0 ? (ms / rounds).toFixed(2) : '',
    ]),
  )
}

function rate(part: number, whole: number): string {
  return whole > 0 ? percent(part / whole) : '-'
}
