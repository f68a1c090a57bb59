// Benchmarks: what they count is right. What they time is nobody's to assert.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stories260K } from '../checkpoints.ts'
import { expectGpujs } from '../engine/gpujs/peers.ts'
import { missing, peers } from '../engine/tfjs/peers.ts'
import { skipUnless, skipUnlessPossible } from '../skip.ts'
import { run } from './run.ts'
import { telling } from './telling.ts'

describe('drafthorse bench', () => {
  it('decode counts tokens, weights and products', async () => {
    const args = ['bench', 'decode', '--limit', '2', '--max-new-tokens', '10', '--prompt-tokens', '8', '--json']
    const { code, stdout } = await run(args)
    assert.equal(code, 0)
    const report = JSON.parse(stdout)
    assert.equal(report.format, 'drafthorse/bench-decode@1')
    assert.deepEqual([report.prompts, report.tokens, report.tokensPerSecond.count], [2, 20, 2])
    assert.deepEqual(
      report.passCosts.map((cost: { rows: number }) => cost.rows),
      [1, 2, 4, 5, 8],
    )
    assert.equal(report.passCosts[0].ratio, 1)
    assert.equal(report.products.only, 'products')
    assert.ok(report.products.ms.median > 0)
    assert.equal(report.prefill.tokens, 8)
    assert.ok(report.prefill.tokensPerSecond.median > 0)
    // The matrices of twelve layers.
    const products = (report.prefill.productsPerSecond * 1e9) / report.prefill.tokensPerSecond.median
    assert.equal(Math.round(products), 12 * (2 * 256 * 256 + 2 * 128 * 256 + 3 * 256 * 768))
    assert.ok(report.limits.streamed > 0 && report.limits.f32 > 0)
    // Every weight is read once for a token; the embedded model's run as q8_0, 34 bytes for 32 of them.
    const bytes = (report.gigabytesPerSecond * 1e9) / report.tokensPerSecond.median
    assert.ok(Math.abs(bytes / ((10.5e6 * 34) / 32) - 1) < 0.01, `${bytes} bytes`)
    assert.equal(report.passCosts[0].operations, undefined)
  })

  it('decode names a file that is missing or has no prompts', async () => {
    const missing = await run(['bench', 'decode', '--prompts', 'no-such-file.txt'])
    assert.deepEqual([missing.code, missing.stdout], [1, ''])
    assert.match(missing.stderr, /^error: there is no file no-such-file\.txt; .*a prompt a line\n$/)
    const folder = await mkdtemp(join(tmpdir(), 'drafthorse-bench-'))
    const empty = join(folder, 'empty.txt')
    await writeFile(empty, '\n \n')
    const none = await run(['bench', 'decode', '--prompts', empty])
    await rm(folder, { recursive: true })
    assert.deepEqual([none.code, none.stderr], [1, `error: ${empty} has no prompts; write one a line\n`])
  })

  it('decode counts the operations of a pass on a backend that is made of such', async function () {
    const reason = await missing('tfjs:wasm')
    skipUnless(this, !reason, `${reason}`)
    const decode = ['bench', 'decode', '--model', stories260K, '--backend', 'tfjs:wasm', '--dtype', 'f32']
    const args = [...decode, '--limit', '1', '--max-new-tokens', '2', '--prompt-tokens', '4']
    const { code, stdout } = await run([...args, '--json'], { cwd: peers })
    assert.equal(code, 0)
    const { passCosts } = JSON.parse(stdout)
    for (const { ms, operations } of passCosts) {
      assert.ok(Number.isSafeInteger(operations.count) && operations.count > 100)
      assert.equal(operations.microseconds, (ms.median * 1000) / operations.count)
    }
    const text = await run(args, { cwd: peers })
    assert.equal(text.code, 0)
    assert.match(text.stdout, /rows in a pass .* operations +us each\n/)
    assert.match(text.stdout, new RegExp(` 1 .* ${passCosts[0].operations.count} +\\d+\\.\\d\\n`))
  })

  it('decode reports the bytes uploaded for a token, on a backend that counts them', async function () {
    await expectGpujs(this, 'gpujs:cpu')
    const decode = ['bench', 'decode', '--backend', 'gpujs:cpu', '--dtype', 'f32']
    const args = [...decode, '--model', stories260K, '--limit', '1', '--max-new-tokens', '2', '--prompt-tokens', '4']
    const { code, stdout } = await run(args, { cwd: peers })
    assert.equal(code, 0)
    assert.match(stdout, /rows in a pass .* bytes uploaded\n/)
    // Its kernels read JavaScript's own memory.
    assert.match(stdout, /\n +1 .* 0\n/)
  })

  describe('decode on Ctrl-C', () => {
    let folder: string
    before(async function () {
      skipUnlessPossible(this, process.platform !== 'win32', 'Windows cannot send a child Ctrl-C')
      folder = await mkdtemp(join(tmpdir(), 'drafthorse-bench-'))
      await writeFile(join(folder, 'telling.mjs'), telling)
    })
    after(async () => {
      if (folder) await rm(folder, { recursive: true })
    })

    /** Interrupts the benchmark when so many passes of at least `rows` rows have begun; returns how many more came. */
    async function passesAfter(args: readonly string[], { rows, passes }: { rows: number; passes: number }) {
      const begun = (all: string): number[] =>
        all
          .match(/\d+/g)
          ?.map(Number)
          .filter((count) => count >= rows) ?? []
      let killed = false
      const { code, stdout } = await run(['bench', 'decode', '--backend', join(folder, 'telling.mjs'), ...args], {
        onOutput(all, kill) {
          if (killed || begun(all).length < passes) return
          killed = true
          kill('SIGINT')
        },
      })
      assert.equal(code, 130)
      return begun(stdout).length - passes
    }

    it('ends in the middle of a text', async () => {
      const args = ['--limit', '1', '--max-new-tokens', '400']
      assert.ok((await passesAfter(args, { rows: 1, passes: 8 })) < 50)
    })

    it('ends in the middle of a prompt', async () => {
      const args = ['--limit', '1', '--max-new-tokens', '1', '--prompt-tokens', '480']
      // Of the 30 passes of 16 rows that each reading of this prompt takes.
      assert.ok((await passesAfter(args, { rows: 16, passes: 1 })) < 15)
    })
  })

  it('peers refuses a model that peers do not read, and beside wllama a backend of another kind', async () => {
    const stories = await run(['bench', 'peers', '--peer', 'wllama'])
    assert.deepEqual([stories.code, /wllama reads GGUF/.test(stories.stderr)], [1, true], stories.stderr)
    const other = await run(['bench', 'peers', '--peer', 'wllama', '--model', 'x.gguf', '--backend', 'reference'])
    assert.deepEqual([other.code, /the backend is wasm, not reference/.test(other.stderr)], [1, true], other.stderr)
  })

  it('limits has figures for each number of threads', async () => {
    const { code, stdout } = await run(['bench', 'limits', '--threads', '1,2', '--json'])
    assert.equal(code, 0)
    const { format, limits } = JSON.parse(stdout)
    assert.equal(format, 'drafthorse/bench-limits@1')
    assert.deepEqual(
      limits.map(({ threads }: { threads: number }) => threads),
      [1, 2],
    )
    for (const { streamed, cached, f32, i16 } of limits) {
      for (const figure of [streamed, cached, f32, i16]) assert.ok(Number.isFinite(figure) && figure > 0)
      assert.ok(i16 > f32, 'a vector holds more whole numbers of 16 bits')
    }
  })

  it('ops has a figure for each op, shape and number of rows asked for', async () => {
    const asked = ['--op', 'rmsNorm', 'attention', '--rows', '1,3,1', '--threads', '1', '--seconds', '0.01']
    const { code, stdout } = await run(['bench', 'ops', ...asked, '--json'])
    assert.equal(code, 0)
    const { format, backend, threads, ops } = JSON.parse(stdout)
    assert.deepEqual([format, backend, threads], ['drafthorse/bench-ops@1', 'wasm', 1])
    const at = (context: number, rows: number): string => `attention heads 9:3 of 64 at ${context} ${rows}`
    assert.deepEqual(
      ops.map((op: { op: string; shape: string; rows: number }) => `${op.op} ${op.shape} ${op.rows}`),
      ['rmsNorm [rows, 576] 1', 'rmsNorm [rows, 576] 3', at(256, 1), at(256, 3), at(1024, 1), at(1024, 3)],
    )
    for (const { microseconds } of ops) assert.ok(microseconds.low > 0 && microseconds.low <= microseconds.high)
    const { stdout: text } = await run(['bench', 'ops', '--op', 'attention', '--rows', '2', '--seconds', '0.01'])
    assert.match(text, /attention +heads 9:3 of 64 at 256 +\d.*\nattention +heads 9:3 of 64 at 1024 +\d/)
  })

  for (const [option, value, says] of [
    ['--op', 'softmax', /Allowed choices are .*rmsNorm.*select/],
    ['--rows', '0', /numbers from 1 to 256/],
    ['--rows', '1,257', /numbers from 1 to 256/],
    ['--seconds', 'abc', /a number of seconds above 0/],
    ['--seconds', '0', /a number of seconds above 0/],
    ['--threads', '0', /a whole number from 1/],
  ] as const) {
    it(`ops refuses ${option} ${value}`, async () => {
      const { code, stdout, stderr } = await run(['bench', 'ops', option, value])
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(stderr, says)
    })
  }
})
