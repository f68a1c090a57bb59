// `drafthorse bench sampling`: every way of sampling has its figures, and beside a model their share of a pass.

import assert from 'node:assert/strict'
import { modelLikeLogits, sampledWays } from '../../bench/sampling.ts'
import { run } from './run.ts'

describe('drafthorse bench sampling', () => {
  it('has figures for every way of sampling', async () => {
    const { code, stdout } = await run(['bench', 'sampling', '--vocabulary', '500', '--rows', '3', '--json'])
    assert.equal(code, 0)
    const { format, vocabSize, ways, model, passMs } = JSON.parse(stdout)
    assert.deepEqual([format, vocabSize, model, passMs], ['drafthorse/bench-sampling@1', 500, undefined, undefined])
    assert.deepEqual(
      ways.map(({ name, options }: { name: string; options: object }) => [name, options]),
      Object.entries(sampledWays),
    )
    for (const { ms, ofPass } of ways) {
      assert.ok(ms.count === 3 && ms.low > 0 && ms.low <= ms.median && ms.median <= ms.high)
      assert.equal(ofPass, undefined)
    }
  })

  it('sets them beside a pass of a model', async () => {
    const args = ['bench', 'sampling', '--vocabulary', '500', '--rows', '2', '--model', 'stories', '--threads', '1']
    const { code, stdout } = await run([...args, '--json'])
    assert.equal(code, 0)
    const { ways, backend, threads, passMs } = JSON.parse(stdout)
    assert.deepEqual([backend, threads], ['wasm', 1])
    for (const { ms, ofPass } of ways) assert.equal(ofPass, ms.median / passMs.median)
    const text = await run(args)
    assert.match(text.stdout, /500 logits in a row.*a plain pass takes \d.* ms\n/)
    assert.match(text.stdout, /\ntop-k 50, top-p 0\.9 +\d\.\d{3} \(.*\) +\d+\.\d %\n/)
  })

  it('refuses no rows', async () => {
    const { code, stderr } = await run(['bench', 'sampling', '--rows', '0'])
    assert.equal(code, 1)
    assert.match(stderr, /a whole number from 1/)
  })

  it('draws from logits that lie like a model’s', () => {
    const logits = modelLikeLogits(49_152, 1).sort().reverse()
    const above = [0, 9, 99, 999, 9999].map((rank) => logits[rank]! - logits[24_576]!)
    for (const [i, expected] of [15, 11, 8, 6, 2.4].entries()) {
      assert.ok(Math.abs(above[i]! - expected) < 3 / (i + 1), `${above}`)
    }
  })
})
