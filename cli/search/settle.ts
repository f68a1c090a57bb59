// The end of a search: its best sets are timed, and the fastest is chosen.

import { AbortError, ModelFormatError } from '../../engine/errors.ts'
import type { Model } from '../../model/load-model.ts'
import type { ConfirmedRecord } from '../../search/journal.ts'
import type { SearchLog } from '../../search/ledger.ts'
import type { Found } from '../../search/memory.ts'
import type { SearchOutcome } from '../../search/run.ts'
import { keyOf, type Point, pointOfSkip } from '../../search/space.ts'
import { fastest } from '../../search/verdict.ts'
import { candidatesOf } from './candidates.ts'
import { confirmSets } from './confirm-sets.ts'
import type { End } from './result.ts'
import type { StatusLine } from './status-line.ts'
import type { Subject } from './subject.ts'

export interface Settling {
  readonly model: Model
  readonly subject: Subject
  readonly log: SearchLog
  readonly status: StatusLine
  readonly signal: AbortSignal
  /** Sets to time. */
  readonly most: number
  /** How they are timed. Default: by generation. */
  readonly confirm?: typeof confirmSets
}

/** All that was timed, in this order, and what came of it. */
export interface Settled {
  readonly confirmed: ConfirmedRecord[]
  readonly end: End
}

/**
 * Times the best sets, and then the fastest of them once more, by itself beside plain decoding and the set that the model has:
 * by what it was picked for it may look better than it is.
 */
export async function settle(outcome: SearchOutcome, settling: Settling): Promise<Settled> {
  const { most, log, signal, model, subject, status, confirm = confirmSets } = settling
  const untimed = (kind: 'untimed' | 'interrupted'): End => {
    const [best] = candidatesOf(outcome.found, { own: undefined, most: 1 })
    return { kind, chosen: best && { ...best, confirmed: undefined } }
  }
  if (outcome.interrupted) return { confirmed: [], end: untimed('interrupted') }
  if (most === 0) return { confirmed: [], end: untimed('untimed') }
  const confirmed: ConfirmedRecord[] = []
  const time = async (sets: readonly Found[], { again }: { again: boolean }): Promise<ConfirmedRecord | undefined> => {
    const what = again ? 'timing once more, text' : 'timing text'
    const timed = await confirm(model, {
      sets,
      again,
      recording: subject.recording,
      signal,
      onProgress: (done, total) => status.show(`${what} ${done} of ${total}`),
    })
    for (const record of timed) {
      confirmed.push(record)
      await log.append(record)
    }
    return fastest(timed)
  }
  try {
    const own = await ownOf(settling)
    const candidates = candidatesOf(outcome.found, { own, most })
    const first = await time(candidates, { again: false })
    const keys = first ? [first.key, own?.key] : []
    const winner =
      first &&
      (await time(
        candidates.filter(({ key }) => keys.includes(key)),
        { again: true },
      ))
    const found = winner && candidates.find(({ key }) => key === winner.key)
    return { confirmed, end: found ? { kind: 'set', chosen: { ...found, confirmed: winner } } : { kind: 'plain' } }
  } catch (error) {
    if (!(error instanceof AbortError && signal.aborted)) throw error
    return { confirmed, end: untimed('interrupted') }
  }
}

/** The set that the model has: what is kept is to be no slower. A damaged one is none. */
async function ownOf({ model, subject, signal }: Settling): Promise<Found | undefined> {
  let point: Point
  try {
    if (!model.skip) return undefined
    point = pointOfSkip(model.skip, model.config.numHiddenLayers)
  } catch (error) {
    if (error instanceof ModelFormatError) return undefined
    throw error
  }
  const [evaluation] = await subject.objective.evaluate([point], signal)
  return { key: keyOf(point), point, ...evaluation! }
}
