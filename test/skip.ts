// Skips a test with a written reason, which the reporter lists. In a test written with `function`:
// `skipUnless(this, node, 'Node 24 is not installed in test/peers')`. In a `before` hook: every test of the suite.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Skip, tally } from './tally.ts'

/** Skips unless `condition` holds, for what can be installed; with DRAFTHORSE_REQUIRE_ALL=1 that is a failure. */
export function skipUnless(context: Mocha.Context, condition: unknown, reason: string): asserts condition {
  if (condition) return
  if (process.env['DRAFTHORSE_REQUIRE_ALL'] === '1') {
    throw new Error(`skipped although DRAFTHORSE_REQUIRE_ALL=1 allows no such skip: ${reason}`)
  }
  skip(context, { reason, avoidable: true })
}

/**
 * Skips unless `condition` holds, for what this system cannot do or what no licence lets this repository hold; also with
 * DRAFTHORSE_REQUIRE_ALL=1.
 */
export function skipUnlessPossible(context: Mocha.Context, condition: unknown, reason: string): asserts condition {
  if (!condition) skip(context, { reason, avoidable: false })
}

function skip(context: Mocha.Context, entry: Skip): never {
  const running = context.test
  const hook = running ? /^"(before all|before each)" hook/.exec(running.title)?.[1] : undefined
  const skipped = hook === 'before all' ? running?.parent : hook === 'before each' ? context.currentTest : running
  if (skipped) tally.skips.set(skipped, entry)
  return context.skip()
}

/**
 * The path of a file that a licence keeps out of the repository, inside the folder that `DRAFTHORSE_DATA` names. Where it
 * is not there the test is skipped, also with DRAFTHORSE_REQUIRE_ALL=1: nobody is obliged to have it.
 */
export function licensedData(context: Mocha.Context, path: string): string {
  const full = join(process.env['DRAFTHORSE_DATA'] ?? '', path)
  const found = process.env['DRAFTHORSE_DATA'] !== undefined && existsSync(full)
  skipUnlessPossible(context, found, `no licence lets this repository hold ${path}; DRAFTHORSE_DATA can point to it`)
  return full
}
