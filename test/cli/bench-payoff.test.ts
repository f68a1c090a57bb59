// What passes cost, and what follows: what is said of that, and of where it is from. What they cost is nobody's to assert.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { skipUnlessPossible } from '../skip.ts'
import { run } from './run.ts'
import { telling } from './telling.ts'

describe('drafthorse bench payoff', () => {
  it('says from which acceptance on drafting pays', async () => {
    const { code, stdout } = await run(['bench', 'payoff', '--longest', '2', '--repeats', '2', '--json'])
    assert.equal(code, 0)
    const { format, model, source, layers, layersRun, passes, rows } = JSON.parse(stdout)
    assert.deepEqual([format, model], ['drafthorse/bench-payoff@1', 'stories'])
    assert.deepEqual([source, layers, layersRun], ['measured', 12, 12])
    assert.deepEqual(
      passes.map((pass: { rows: number }) => pass.rows),
      [1, 2, 3],
    )
    assert.deepEqual(
      rows.map((row: { share: number; layersSkipped: number }) => [row.share, row.layersSkipped]),
      [
        [0.25, 3],
        [0.5, 6],
        [0.75, 9],
      ],
    )
    for (const { draftCost, reuse, ...outlook } of rows) {
      assert.ok(draftCost > 0 && reuse.prefixShare >= 0 && reuse.prefixShare <= Math.min(1, draftCost))
      for (const { breakEven, gains } of [outlook, reuse]) {
        assert.ok(breakEven > 0 && breakEven <= 1)
        assert.deepEqual(
          gains.map(({ acceptance }: { acceptance: number }) => acceptance),
          [0.7, 0.8, 0.9, 0.95],
        )
      }
    }
  })

  describe('of a shape', () => {
    const shape = ['bench', 'payoff', '--shape', 'smollm2-135m', '--dtype', 'q4_0', '--longest', '1', '--repeats', '1']

    it('says what is measured, what is extrapolated, and how far off that is', async () => {
      const { code, stdout } = await run([...shape, '--layers', '3', '--json'])
      assert.equal(code, 0)
      const { model, running, others, source, layers, layersRun, passes, fits, rows } = JSON.parse(stdout)
      assert.match(model, /random weights of smollm2-135m's shape/)
      assert.deepEqual(running, { q4_0: 1 + 3 * 7, f32: 1 + 3 * 2 })
      assert.ok(others >= 0 && others <= 1)
      assert.deepEqual([source, layers, layersRun, rows.length], ['extrapolated', 30, 3, 3])
      for (const [i, { rows, rest, layer, measured, residual }] of fits.entries()) {
        assert.equal(rows, i + 1)
        assert.deepEqual(
          measured.map((point: { layers: number }) => point.layers),
          [1, 2, 3],
        )
        assert.equal(passes[i].ms.median, rest + 30 * layer)
        assert.equal(residual.layers, 2)
      }
    })

    it('says so in its tables too, draws what follows, and has no colours and no progress for a pipe', async () => {
      const { code, stdout, stderr } = await run([...shape, '--layers', '2'])
      assert.deepEqual([code, stderr], [0, ''])
      assert.match(stdout, /^Measured: passes through 1 and 2 of 30 layers\.$/m)
      assert.match(stdout, /^rows in a pass +1 layer, ms +2 layers, ms$/m)
      assert.match(stdout, /^Extrapolated to 30 layers, by the line through 1 and 2 of them/m)
      assert.match(stdout, /the line is not checked/)
      assert.match(stdout, /^rows in a pass +each layer, ms +the rest, ms +30 layers, ms +T\(m\)\/T\(1\)$/m)
      assert.match(stdout, /^ +50\.0 % \(15\) +\d\.\d\d +no +/m)
      assert.match(stdout, /^1\.00 \|[-ox+]{51}$/m)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are made of them
      assert.doesNotMatch(stdout, /\u001b/)
    })

    it('ends on Ctrl-C', async function () {
      skipUnlessPossible(this, process.platform !== 'win32', 'Windows cannot send a child Ctrl-C')
      const folder = await mkdtemp(join(tmpdir(), 'drafthorse-bench-'))
      await writeFile(join(folder, 'telling.mjs'), telling)
      let killed = false
      const backend = ['--backend', join(folder, 'telling.mjs'), '--context', '0']
      const asked = [
        'bench',
        'payoff',
        '--shape',
        'smollm2-135m',
        '--layers',
        '2',
        ...backend,
        '--longest',
        '1',
        '--repeats',
        '200',
      ]
      const { code, stdout, stderr } = await run(asked, {
        onOutput(all, kill) {
          if (killed || all.split(' ').length < 4) return
          killed = true
          kill('SIGINT')
        },
      })
      await rm(folder, { recursive: true })
      assert.deepEqual([code, stderr], [130, ''])
      assert.ok(stdout.split(' ').length < 20, 'of thousands of passes')
    })

    it('has no --model beside it, and no --layers without it', async () => {
      const both = await run([...shape, '--model', 'stories'])
      assert.equal(both.code, 1)
      assert.match(both.stderr, /--shape <name>' cannot be used with option '--model <name>'/)
      const neither = await run(['bench', 'payoff', '--layers', '2'])
      assert.deepEqual([neither.code, neither.stderr], [1, 'error: --layers is of a --shape; a model runs whole\n'])
    })

    it('has examples', async () => {
      const { code, stdout } = await run(['bench', 'payoff', '--help'])
      assert.equal(code, 0)
      for (const name of ['tinyllama-1.1b', 'llama-3.2-1b', 'llama-3.2-3b', 'llama-2-7b']) {
        assert.ok(stdout.replace(/\s+/g, ' ').includes(name), name)
      }
      assert.match(stdout, /Examples:\n {2}\$ drafthorse bench payoff\n/)
    })
  })

  it('names the shapes that there are when asked for another', async () => {
    const { code, stderr } = await run(['bench', 'payoff', '--shape', 'gpt-7'])
    assert.equal(code, 1)
    assert.match(stderr, /smollm2-135m/)
  })
})
