// A search's result, in words and as JSON.

import { ModelFormatError } from '../../engine/errors.ts'
import type { Model } from '../../model/load-model.ts'
import type { ConfirmedRecord, JournalHeader } from '../../search/journal.ts'
import type { SearchOutcome } from '../../search/run.ts'
import { pointOf, skipOf } from '../../search/space.ts'
import { unasked } from '../../search/verdict.ts'
import { aboutRun, figure, machine, runner } from '../bench/report.ts'
import { describeSkip } from '../summary.ts'
import { type Column, formatTable } from '../table.ts'
import { describeFound, describeSet, searchResultFormat, setOf } from './found.ts'
import type { Chosen } from './out.ts'

const right = (title: string): Column => ({ title, align: 'right' })

/** Each strategy's best. */
function searchesTable({ searches }: SearchOutcome): string {
  return formatTable(
    [
      { title: 'strategy' },
      right('evaluations'),
      right('best, modelled'),
      right('drafts of'),
      { title: 'skips' },
      { title: '' },
    ],
    searches.map(({ strategy, found, best, reason }) => [
      strategy,
      `${found.length}`,
      best ? best.speedup.toFixed(3) : '',
      best ? `${best.draftLength}` : '',
      best ? describeSkip(skipOf(best.point)) : '',
      { budget: '', exhausted: 'found nothing new to ask', interrupted: 'interrupted' }[reason],
    ]),
  )
}

/** Model and measurement side by side. */
function confirmedTable(confirmed: readonly ConfirmedRecord[]): string {
  return formatTable(
    [
      right('modelled'),
      right('measured'),
      right('differs by'),
      right('unasked length'),
      right('tokens/s'),
      right('plain'),
      { title: 'skips' },
      { title: '' },
    ],
    confirmed.map(({ key, draftLength, predicted, speedup, costModel, drafted, plain, identical, again }) => [
      predicted.toFixed(3),
      figure(speedup, 3),
      `${(100 * (speedup.median / predicted - 1)).toFixed(1)} %`,
      costModel ? figure(costModel, 3) : '',
      figure(drafted, 1),
      figure(plain, 1),
      `${describeSkip(skipOf(pointOf(key, key.length)))}; drafts of ${draftLength}`,
      identical ? (again ? 'timed again' : '') : 'CHANGES THE TEXT',
    ]),
  )
}

/** What came of a search. */
export type End =
  /** A set that is faster, by measurement. */
  | { readonly kind: 'set'; readonly chosen: Chosen }
  /** No set is expected to be faster, or none was. */
  | { readonly kind: 'plain' }
  /** The best that was found, which nobody timed. */
  | { readonly kind: 'untimed' | 'interrupted'; readonly chosen: Chosen | undefined }

export interface SearchResult {
  readonly model: Model
  readonly header: JournalHeader
  readonly outcome: SearchOutcome
  readonly confirmed: readonly ConfirmedRecord[]
  readonly end: End
  /** Paths: of the journal, of the file in the cache folder, and of `--out`. */
  readonly journal: string | undefined
  readonly saved: string | undefined
  readonly out: string | undefined
  /** False where `--no-save` was given. */
  readonly save: boolean
}

/** For `--json`. */
export function resultOf({ header, outcome, confirmed, end, journal, saved, out, model }: SearchResult): object {
  const { format: _, ...about } = header
  const chosen = end.kind === 'plain' ? undefined : end.chosen
  return {
    format: searchResultFormat,
    ...machine(),
    ...runner(model.backend),
    ...about,
    searches: outcome.searches.map(({ strategy, reason, found, best }) => {
      return { strategy, reason, evaluations: found.length, best: best && setOf(best) }
    }),
    evaluated: outcome.found.length,
    confirmed: confirmed.map(({ kind: _kind, ...record }) => ({
      ...record,
      skip: skipOf(pointOf(record.key, header.sublayers)),
    })),
    end: end.kind,
    chosen: chosen && setOf(chosen),
    ...(journal !== undefined && { journal }),
    ...(saved !== undefined && { saved }),
    ...(out !== undefined && { out }),
  }
}

export function describeSearch(result: SearchResult): string {
  const { model, header, outcome, confirmed } = result
  const { prompts } = header
  return [
    aboutRun(model),
    `${prompts.count} prompts of ${prompts.tokens} tokens, ${outcome.found.length} sets evaluated`,
    '',
    searchesTable(outcome),
    ...(confirmed.length > 0 ? ['', 'Speed-up over plain decoding, timed in turns:', confirmedTable(confirmed)] : []),
    '',
    ...describeEnd(result),
    '',
  ].join('\n')
}

/** What was chosen, where it is, and what to do next. */
function describeEnd({ model, outcome, end, confirmed, saved, out, journal, save }: SearchResult): string[] {
  const { name } = model
  const written = out === undefined ? [] : [`written to ${out}`]
  const stays = hasSkip(model) ? [`The set that ${name} has (${describeSkip(model.skip!)}) stays as it is.`] : []
  switch (end.kind) {
    case 'set': {
      const { chosen } = end
      const kept =
        saved === undefined ? [`not kept for ${name}${save ? '' : ' (--no-save)'}`] : [`kept for ${name} in ${saved}`]
      const { median } = unasked(chosen.confirmed!)
      return [
        `Fastest: ${median.toFixed(3)} times plain decoding with drafts as long as pays, ${describeSet(chosen)}.`,
        `It is ${[...kept, ...written].join(', and ')}.`,
      ]
    }
    case 'plain':
      return [
        confirmed.length > 0
          ? 'Plain decoding is fastest here: no set was faster beyond what chance makes of as many comparisons.'
          : `Plain decoding is fastest here: none of the ${outcome.found.length} sets is expected to be faster.`,
        'Nothing is kept.',
        ...stays,
      ]
    default: {
      const { chosen } = end
      const goOn = journal === undefined ? [] : [`The same command with --resume goes on with ${journal}.`]
      const next = end.kind === 'interrupted' ? goOn : []
      if (!chosen) return ['Nothing was found that is expected to be faster than plain decoding.', ...next]
      return [
        `Best so far: ${describeFound(chosen)}, by the model alone.`,
        `It was not timed, and so it is not kept for ${name}${written.length > 0 ? `; it is ${written[0]}` : ''}.`,
        ...next,
      ]
    }
  }
}

/** A damaged file in the cache folder is replaced by what is kept, or stays. */
function hasSkip(model: Model): boolean {
  try {
    return model.skip !== undefined
  } catch (error) {
    if (error instanceof ModelFormatError) return false
    throw error
  }
}
