// Mocha's spec reporter, and after it: every skip with its reason, the golden cases, and the line that sums up the run.
const { reporters } = require('mocha')

const tally = () => globalThis[Symbol.for('drafthorse.test.tally')]

class Reporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    this.skipped = []
    runner.on('pending', (test) => this.skipped.push(test))
  }

  // Called by mocha once everything has run; what is handed on becomes the exit status.
  done(failures, exit) {
    const print = reporters.Base.consoleLog
    const problems = []
    const golden = tally()?.golden ?? 0
    const strict = process.env.DRAFTHORSE_REQUIRE_ALL === '1'

    for (const test of this.skipped) {
      const skip = skipOf(test)
      print(`skipped: ${test.fullTitle()}: ${skip?.reason ?? 'no reason given'}`)
      if (!skip) problems.push(`"${test.fullTitle()}" is skipped without a reason: use skipUnless() of test/skip.ts`)
      else if (skip.avoidable && strict) problems.push('DRAFTHORSE_REQUIRE_ALL=1 allows no skip that can be avoided')
    }

    print(`golden cases compared: ${golden}`)
    if (golden === 0 && process.env.DRAFTHORSE_FULL_RUN === '1') problems.push('a full run compared no golden case')

    for (const problem of problems) print(`run failed: ${problem}`)

    const { passes, failures: failed, pending } = this.stats
    print(`\n${passes} passed, ${failed} failed${pending > 0 ? `, ${pending} skipped` : ''}`)
    exit(failures + problems.length)
  }
}

/** What was said of the skip, for the test itself or for the nearest suite around it. */
function skipOf(test) {
  for (let at = test; at; at = at.parent) {
    const skip = tally()?.skips.get(at)
    if (skip) return skip
  }
  return undefined
}

module.exports = Reporter
