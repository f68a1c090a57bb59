// The books on drafting: the time it lost against plain decoding, and how much of it may be lost.

export interface LedgerState {
  /** Milliseconds lost against plain decoding so far; below 0: gained, as far as a gain still counts. */
  readonly lostMs: number
  /** The most that may be lost before drafting pauses, in milliseconds. */
  readonly allowedMs: number
  /** Whether more is lost. */
  readonly exceeded: boolean
}

export interface Ledger extends LedgerState {
  /** Whether an attempt that is expected to lose so many milliseconds is within what attempts of its sort may lose. */
  affords(lossMs: number, of: Attempts): boolean
  add(round: LedgerRound): void
  /** Counts a drafting round as it seems, until `settle`: it will be added when it is known what a plain one took. */
  expect(round: LedgerRound): void
  settle(): void
}

/** Attempts at a draft that runs the model, and at one that guesses: what one sort loses is not taken from the other. */
export type Attempts = 'run' | 'guess'

/** A round of one sequence, or of several that share its passes. */
export interface LedgerRound {
  readonly ms: number
  /** A plain round of as many sequences, in milliseconds. */
  readonly plainMs: number
  /** Tokens committed, on average by each of its sequences. */
  readonly tokens: number
  readonly kind: 'plain' | 'drafting' | Attempts
  /** Tokens that would have come in the time of a plain round without this attempt. Default 1. */
  readonly instead?: number | undefined
}

/** Of the time that plain decoding would have taken: what may be lost in all, and by attempts of a sort, which have one plain round besides. */
const share = 0.02
const attemptShare = 0.01

/**
 * Loss is the time of a drafting round beyond that of as many plain rounds as it brought tokens; a plain round loses
 * nothing. Allowed is 2 % of the time that plain decoding would have taken, and one round: an attempt can only be judged
 * once it is made. What was gained does not count for more than that either, else a draft that was good for an hour could
 * then be bad for a minute. What an attempt loses counts by itself too, against what would have been made instead: where
 * guesses give two tokens a pass, one that brings a single token in their place has lost one.
 */
export function ledger(): Ledger {
  let [lost, expected, plainTime, oneRound, onePlain] = [0, 0, 0, 0, 0]
  const attempts = { run: 0, guess: 0 }
  const allowed = (): number => share * plainTime + oneRound
  return {
    get lostMs() {
      return lost + expected
    },
    get allowedMs() {
      return allowed()
    },
    get exceeded() {
      return lost + expected > allowed()
    },
    affords: (loss, of) => attempts[of] + loss <= attemptShare * plainTime + onePlain,
    expect({ ms, plainMs, tokens }) {
      oneRound = ms
      expected = Math.max(-allowed() - lost, expected + ms - tokens * plainMs)
    },
    settle() {
      expected = 0
    },
    add({ ms, plainMs, tokens, kind, instead = 1 }) {
      plainTime += tokens * plainMs
      onePlain = plainMs
      if (kind === 'plain') return
      oneRound = ms
      const loss = ms - tokens * plainMs
      lost = Math.max(-allowed(), lost + loss)
      if (kind !== 'drafting') attempts[kind] = Math.max(0, attempts[kind] + ms - (tokens * plainMs) / instead)
    },
  }
}
