// What rounds that drafted took over plain ones, entered in the books. Those that drafted because that pays are entered when
// plain rounds were made after them too: where the machine slowed down meanwhile, it is not drafting that did.

import type { RoundReport } from './draft-length.ts'
import type { Ledger, LedgerRound } from './ledger.ts'
import type { Pace } from './pace.ts'
import type { RoundTimes } from './round-times.ts'

/** A round that drafted. */
export interface DraftedRound {
  readonly round: RoundReport
  /** Committed, on average by each of its sequences. */
  readonly tokens: number
  /** Of the draft used, unless there were several. */
  readonly pace: Pace | undefined
}

/** How a round is entered: where a plain one took `plainMs`. */
export type Entry = Pick<LedgerRound, 'plainMs' | 'kind' | 'instead'>

export interface Bookkeeping {
  enter(drafted: DraftedRound, entry: Entry): void
  /** Enters a round later; it counts by `plainMs` until then. */
  hold(drafted: DraftedRound, plainMs: number): void
  /** Whether rounds of this pace are on hold: what it says may change. */
  holds(pace: Pace): boolean
  /** Sequences of the rounds on hold; undefined where there are none. */
  readonly lanes: number | undefined
  /** Enters all on hold, now that it is known what a plain round took meanwhile. */
  release(plainMs: number): void
}

export function bookkeeping({ times, ledger }: { times: RoundTimes; ledger: Ledger }): Bookkeeping {
  let held: DraftedRound[] = []

  function enter({ round, tokens, pace }: DraftedRound, entry: Entry): void {
    const { ms } = times.believed(round, entry.plainMs)
    ledger.add({ ...entry, ms, tokens })
    pace?.add({ tokens, ratio: ms / entry.plainMs })
  }

  return {
    enter,
    hold(drafted, plainMs) {
      const { round, tokens, pace } = drafted
      const { ms } = times.believed(round, plainMs)
      ledger.expect({ ms, plainMs, tokens, kind: 'drafting' })
      pace?.expect({ tokens, ratio: ms / plainMs })
      held.push(drafted)
    },
    holds: (pace) => held.some((drafted) => drafted.pace === pace),
    get lanes() {
      return held[0]?.round.lanes.length
    },
    release(plainMs) {
      ledger.settle()
      for (const { pace } of held) pace?.settle()
      for (const drafted of held) enter(drafted, { plainMs, kind: 'drafting' })
      held = []
    },
  }
}
