// The reporter's promises: its last line, its reasons, its exit status.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './files.ts'

function run(sample: string, env: Record<string, string> = {}): { status: number | null; lines: string[] } {
  const { DRAFTHORSE_REQUIRE_ALL: _all, DRAFTHORSE_FULL_RUN: _full, ...rest } = process.env
  const result = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/mocha/bin/mocha.js'),
      ...['--no-config', '--no-package', '--node-option', 'import=tsx', '--reporter', 'test/reporter.cjs'],
      'test/package/fixtures/run.ts',
    ],
    { cwd: root, encoding: 'utf8', env: { ...rest, SAMPLE: sample, ...env } },
  )
  return { status: result.status, lines: result.stdout.trimEnd().split(/\r?\n/) }
}

describe('reporter', () => {
  it('ends with "N passed, N failed" and exits with 0 when all is well', () => {
    const { status, lines } = run('golden', { DRAFTHORSE_FULL_RUN: '1' })
    assert.equal(lines.at(-1), '1 passed, 0 failed')
    assert.ok(lines.includes('golden cases compared: 3'))
    assert.equal(status, 0)
  })

  it('counts failures and exits with an error', () => {
    const { status, lines } = run('golden,fail')
    assert.equal(lines.at(-1), '1 passed, 1 failed')
    assert.notEqual(status, 0)
  })

  it('lists every skip with its reason', () => {
    const { status, lines } = run('skip')
    assert.equal(lines.at(-1), '1 passed, 0 failed, 4 skipped')
    assert.deepEqual(
      lines.filter((line) => line.startsWith('skipped: ')),
      [
        'skipped: sample skips in the test: the test said so',
        'skipped: sample suite skipped by a hook one: the before hook said so',
        'skipped: sample suite skipped by a hook two: the before hook said so',
        'skipped: sample tests skipped by a hook three: the beforeEach hook said so',
      ],
    )
    assert.equal(status, 0)
  })

  it('fails on a skip without a reason', () => {
    const { status, lines } = run('bare')
    assert.equal(lines.at(-1), '1 passed, 0 failed, 1 skipped')
    assert.ok(lines.includes('skipped: sample skips without a reason: no reason given'))
    assert.notEqual(status, 0)
  })

  it('fails on a skip that can be avoided when DRAFTHORSE_REQUIRE_ALL=1', () => {
    const { status, lines } = run('skip', { DRAFTHORSE_REQUIRE_ALL: '1' })
    assert.match(lines.at(-1) ?? '', /^1 passed, 3 failed/)
    assert.notEqual(status, 0)
    assert.notEqual(run('bare', { DRAFTHORSE_REQUIRE_ALL: '1' }).status, 0)
  })

  it('lets what is impossible be skipped, with its reason, also when DRAFTHORSE_REQUIRE_ALL=1', () => {
    const { status, lines } = run('impossible', { DRAFTHORSE_REQUIRE_ALL: '1' })
    assert.equal(lines.at(-1), '1 passed, 0 failed, 1 skipped')
    assert.ok(lines.includes('skipped: sample skips what cannot be: no system can do this'))
    assert.equal(status, 0)
  })

  it('fails a full run without golden cases, and only a full one', () => {
    const full = run('', { DRAFTHORSE_FULL_RUN: '1' })
    assert.ok(full.lines.includes('run failed: a full run compared no golden case'))
    assert.notEqual(full.status, 0)
    assert.equal(run('').status, 0)
  })
})
