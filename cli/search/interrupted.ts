// What is told of a search that was interrupted before it looked: while the model was loaded, its texts recorded or costs measured.

import type { JournalHeader, JournalRecord } from '../../search/journal.ts'
import { better, createMemory, type Found } from '../../search/memory.ts'
import { describeFound, searchResultFormat, setOf } from './found.ts'

export interface InterruptedSearch {
  /** What the journal had, where the search was to go on with one. */
  readonly header: JournalHeader | undefined
  readonly records: readonly JournalRecord[]
  /** Its path. */
  readonly journal: string | undefined
}

/** The best of a journal, whichever searches it is of. */
function bestOf({ header, records }: InterruptedSearch): { best: Found | undefined; evaluated: number } {
  const points = records.filter((record) => record.kind === 'point')
  if (!header) return { best: undefined, evaluated: 0 }
  const memory = createMemory(points, header.sublayers)
  let best: Found | undefined
  for (const { key } of points) {
    const { ms: _, ...found } = memory.get(key)!
    best = better(best, found)
  }
  return { best, evaluated: new Set(points.map(({ key }) => key)).size }
}

/** For `--json`, beside what the machine is. */
export function interruptedResult(interrupted: InterruptedSearch): object {
  const { header, journal } = interrupted
  const { format: _, ...about } = header ?? { format: undefined }
  const { best, evaluated } = bestOf(interrupted)
  return {
    format: searchResultFormat,
    ...about,
    searches: [],
    evaluated,
    confirmed: [],
    end: 'interrupted',
    ...(best && pays(best) && { chosen: setOf(best) }),
    ...(header && { journal }),
  }
}

export function describeInterrupted(interrupted: InterruptedSearch): string {
  const { header, journal } = interrupted
  const { best, evaluated } = bestOf(interrupted)
  if (!header || !best) return 'Interrupted before the search began: nothing was found yet.\n'
  const what = pays(best)
    ? `the best of its ${evaluated} sets is ${describeFound(best)}, by the model alone`
    : `none of its ${evaluated} sets is expected to be faster than plain decoding`
  return [
    `Interrupted before the search went on with ${journal}: ${what}.`,
    `The same command goes on with ${journal}.`,
    '',
  ].join('\n')
}

function pays({ speedup, draftLength }: Found): boolean {
  return speedup > 1 && draftLength > 0
}
