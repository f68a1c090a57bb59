// What the tests tell the reporter, which runs in the same process: golden cases compared, reasons of skips.

export interface Skip {
  readonly reason: string
  /** Whether an installation would let the test run: a strict run then counts the skip as a failure. */
  readonly avoidable: boolean
}

export interface Tally {
  /** Golden cases compared so far. */
  golden: number
  /** Why a test, or every test of a suite, was skipped. */
  skips: WeakMap<object, Skip>
}

// The reporter is loaded by mocha and the tests by tsx, each with a module cache of its own: the global registry of
// symbols is the one place that both see.
const key = Symbol.for('drafthorse.test.tally')
const shared = globalThis as { [key]?: Tally }
shared[key] ??= { golden: 0, skips: new WeakMap() }

export const tally: Tally = shared[key]
