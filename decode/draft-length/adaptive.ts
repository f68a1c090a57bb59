// The paper's feedback on the confidence to draft on, from how much of the drafts is accepted (Zhang et al. 2024, section 3.3).

import { ArgumentError } from '../../engine/errors.ts'
import { expectOptions } from '../../engine/options.ts'
import type { DraftLength, LaneReport } from './draft-length.ts'
import { guessLength } from './guess-length.ts'

/** What the feedback has learnt so far; it is updated in place, so that a caller can carry it from prompt to prompt. */
export interface AdaptiveState {
  /** The probability below which a drafted token is the last of its round. The rule keeps it in no bounds. */
  threshold: number
  /** The share of drafted tokens that is accepted, averaged over the rounds with `beta1`. */
  acceptanceRate: number
}

export interface AdaptiveOptions {
  /** What to start from, and to write to. Default: a new {@link adaptiveState} for every generation. */
  readonly state?: AdaptiveState | undefined
  /** The acceptance rate to hold, 0 to 1. Default 0.9. */
  readonly alpha?: number | undefined
  /** What stays of the acceptance rate in a round, 0 to 1. Default 0.5. */
  readonly beta1?: number | undefined
  /** What stays of the threshold in a round, 0 to 1. Default 0.9. */
  readonly beta2?: number | undefined
  /** How far a round wants the threshold moved, before `beta2`. Default 0.01. */
  readonly step?: number | undefined
  /** Tokens of a round at most, the paper's K. Default 12. */
  readonly most?: number | undefined
}

/** Where the paper's runs start: a threshold of 0.6, and no token accepted yet. */
export function adaptiveState(): AdaptiveState {
  return { threshold: 0.6, acceptanceRate: 0 }
}

/**
 * Drafts up to `most` tokens a round, and none after one whose confidence is below a threshold that follows the acceptance
 * rate: after a round of `drafted` tokens
 *
 *     acceptanceRate <- beta1 * acceptanceRate + (1 - beta1) * accepted / drafted
 *     wanted          = threshold + step   if acceptanceRate < alpha
 *                       threshold          else if drafted = most, or as many as there was room for
 *                       threshold - step   else
 *     threshold      <- beta2 * threshold + (1 - beta2) * wanted
 *
 * A round that drafted nothing changes nothing, nor does one of guesses, which the threshold does not end. A guess is as long
 * as {@link guessLength} has it for the threshold. The sequences of a batch share the state, and count as rounds one after the
 * other. Throws {@link ArgumentError} for shares that are none.
 */
export function adaptive(options: AdaptiveOptions = {}): DraftLength {
  expectOptions('adaptive', options)
  const { state: carried, alpha = 0.9, beta1 = 0.5, beta2 = 0.9, step = 0.01, most = 12 } = options
  for (const [name, share] of Object.entries({ alpha, beta1, beta2 })) {
    if (!(share >= 0 && share <= 1)) throw new ArgumentError(`${name} is ${share}, expected a share, 0 to 1`)
  }
  if (!(step >= 0 && step <= 1)) throw new ArgumentError(`the step is ${step}, expected 0 to 1`)
  if (!Number.isSafeInteger(most) || most < 0) {
    throw new ArgumentError(`the most tokens to draft are ${most}, expected a whole number from 0`)
  }
  if (carried !== undefined) expectState(carried)

  function learn(state: AdaptiveState, { drafted, accepted, limit, confidences = [] }: LaneReport): void {
    if (drafted === 0 || confidences.length === 0) return
    state.acceptanceRate = beta1 * state.acceptanceRate + (1 - beta1) * (accepted / drafted)
    let wanted = state.threshold
    if (state.acceptanceRate < alpha) wanted += step
    else if (drafted < Math.min(most, limit)) wanted -= step
    state.threshold = beta2 * state.threshold + (1 - beta2) * wanted
  }

  return {
    name: `adaptive, at most ${most}`,
    start() {
      const state = carried ?? adaptiveState()
      return {
        next: (ask) => ({
          most: Math.min(most, guessLength(ask, state.threshold)),
          goesOn: (confidence) => confidence >= state.threshold,
        }),
        observe({ lanes }) {
          for (const lane of lanes) learn(state, lane)
        },
      }
    },
  }
}

function expectState(state: AdaptiveState): void {
  if (Number.isFinite(state?.threshold) && Number.isFinite(state.acceptanceRate)) return
  throw new ArgumentError(
    `the state carried is ${JSON.stringify(state)}, expected { threshold: a number, acceptanceRate: a number }`,
  )
}
