// How far a search is, in a line: a bar, the best so far, and the time that is left.

import type { SearchEvent } from '../../search/ledger.ts'

export interface ProgressOptions {
  readonly strategies: number
  readonly columns: number
  /** Whether block characters show. */
  readonly blocks: boolean
  /** Milliseconds. */
  readonly clock: () => number
}

const barWidth = 20

/** Gives a line for each evaluation, as wide as the terminal at most. */
export function searchProgress({
  strategies,
  columns,
  blocks,
  clock,
}: ProgressOptions): (event: SearchEvent) => string {
  const started = clock()
  let [begun, done] = [0, 0]
  let strategy = ''
  return ({ record, bestOfAll, budget, used }) => {
    if (record.strategy !== strategy) begun++
    strategy = record.strategy
    done++
    const { evaluations, seconds } = budget
    const share = Math.min(
      1,
      Math.max(
        evaluations === undefined ? 0 : used.evaluations / evaluations,
        seconds === undefined ? 0 : used.seconds / seconds,
      ),
    )
    const [full, empty] = blocks ? ['█', '░'] : ['#', '.']
    const width = Math.round(share * barWidth)
    const left = leftOf({ ms: (clock() - started) / done, used, budget, after: strategies - begun })
    const of = strategies > 1 ? ` (${begun} of ${strategies})` : ''
    const count = evaluations === undefined ? `${used.evaluations}` : `${used.evaluations} of ${evaluations}`
    const { speedup, draftLength, point } = bestOfAll
    const best =
      draftLength === 0 ? 'best so far: plain' : `best ${speedup.toFixed(3)}, ${point.filter(Boolean).length} skipped`
    const line = `${strategy}${of} ${full!.repeat(width)}${empty!.repeat(barWidth - width)} ${count}, ${best}, ${clockTime(left)} left`
    return line.slice(0, columns - 1)
  }
}

/** Seconds of this strategy's search and of those after it, by what an evaluation took on the average. */
function leftOf({
  ms,
  used,
  budget: { evaluations, seconds },
  after,
}: Pick<SearchEvent, 'used' | 'budget'> & { ms: number; after: number }): number {
  const byCount = (count: number): number => (count * ms) / 1000
  const [whole, here] = [
    Math.min(byCount(evaluations ?? Number.POSITIVE_INFINITY), seconds ?? Number.POSITIVE_INFINITY),
    Math.min(
      byCount((evaluations ?? Number.POSITIVE_INFINITY) - used.evaluations),
      (seconds ?? Number.POSITIVE_INFINITY) - used.seconds,
    ),
  ]
  return Math.max(0, here) + after * whole
}

function clockTime(seconds: number): string {
  const whole = Math.round(seconds)
  const two = (value: number): string => `${value}`.padStart(2, '0')
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}
