// All that is known of one draft: how far it holds, what its confidence is worth, what it brought, when to try it again.

import { type Calibration, calibration } from './calibration.ts'
import { type ExitShows, exitShows } from './exit-shows.ts'
import { type Pace, pace } from './pace.ts'
import { type Probes, probes } from './probes.ts'
import { type Survival, survival } from './survival.ts'

export interface Source {
  /**
   * How far guesses of a sort hold; of a sort seldom seen, as the draft itself thinks of their first token (`chance`), or else
   * as those of all sorts.
   */
  survival(kind: string | undefined, chance?: number): Survival
  readonly calibration: Calibration
  readonly pace: Pace
  readonly probes: Probes
  /** Whether it was asked to run the model, and not for a guess. */
  runs: boolean
  /** Whether it was asked, or would have been if it had something, so that a guess of another need not step back for it. */
  offered: boolean
  /** Whether it tells its confidences when asked. */
  confident: boolean
  /** Whether it may be used in this round because it is not known to pay. */
  trying: boolean
  /** Rounds in which it was used because it pays. */
  uses: number
  readonly exit: ExitShows
}

export interface SourceOptions {
  /** The share of rounds of which k tokens are accepted, as measured before. */
  readonly survival?: readonly number[] | undefined
  /** Rounds before it is tried, where it is not known to pay. */
  readonly wait: number
  /** Whether it is known to run the model. */
  readonly runs: boolean
}

/** The chance that a first token is accepted, of a draft of which nothing is known. */
const unknownChance = 0.5

/** Tokens of a round of one drafted token from which on such a draft may pay. */
const promising = 1.5

/** Whether it holds so well that only its time is in question. */
export function isPromising({ survival }: Source, kind?: string): boolean {
  return survival(kind).tokens(1) >= promising
}

export function source({ survival: prior, wait, runs }: SourceOptions): Source {
  const whole = survival({ first: () => unknownChance, prior })
  const kinds = new Map<string, Survival>()

  function ofKind(kind: string, chance: number | undefined): Survival {
    const fresh = survival({ first: () => chance ?? whole.chance(1) })
    const both: Survival = {
      ...fresh,
      observe(outcome) {
        fresh.observe(outcome)
        whole.observe(outcome)
      },
    }
    kinds.set(kind, both)
    return both
  }

  return {
    survival: (kind, chance) => (kind === undefined ? whole : (kinds.get(kind) ?? ofKind(kind, chance))),
    calibration: calibration(),
    pace: pace({ hasPrior: prior !== undefined }),
    probes: probes({ wait }),
    runs,
    offered: false,
    confident: false,
    trying: false,
    uses: 0,
    exit: exitShows(),
  }
}
