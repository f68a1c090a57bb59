// `drafthorse bench identity`: its counts, its exit code, and the command that repeats a difference.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { folderOf } from '../checkpoints.ts'
import { run } from './run.ts'

const dist = new URL('../../dist/engine/', import.meta.url).href

/** A backend that takes another token where it has several rows to choose for. */
const wrong = `import { withOps } from '${dist}index.js'
import { reference } from '${dist}reference/index.js'
const { ops } = await reference.open({})
export default withOps(reference, {
  select(out, logits, options) {
    ops.select(out, logits, options)
    if (logits.shape[0] > 2) out.ids.data[0] = 5
  },
})`

const small = [
  'bench',
  'identity',
  '--model',
  folderOf('gqa-tied-bf16'),
  '--dtypes',
  'f32',
  '--prompt-lengths',
  'one,twelve',
]

describe('drafthorse bench identity', () => {
  it('compares as many tokens as it is told on each backend, and finds no difference', async () => {
    const { code, stdout } = await run([...small, '--threads', '1,2', '--tokens', '1500', '--json'])
    assert.equal(code, 0)
    const { format, backends, tokens, differences, found, parts, crossed } = JSON.parse(stdout)
    assert.equal(format, 'drafthorse/bench-identity@1')
    assert.deepEqual(
      backends.map(({ backend, threads }: { backend: string; threads: number }) => `${backend}:${threads}`),
      ['reference:1', 'wasm:1', 'wasm:2'],
    )
    assert.ok(tokens >= 1500)
    assert.deepEqual([differences, found], [0, []])
    assert.deepEqual(Object.keys(parts.backend), ['reference:1', 'wasm:1', 'wasm:2'])
    assert.deepEqual(
      crossed.map(({ rows }: { rows: number }) => rows),
      [8, 16, 32, 64, 256],
    )
  })

  it('ends with code 1 where a text differs, and says how to see it again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drafthorse-identity-'))
    try {
      const backend = join(folder, 'wrong.mjs')
      await writeFile(backend, wrong)
      const greedy = ['--samplings', 'greedy', '--drafts', 'no-sublayer', '--draft-lengths', '4,8']
      const first = await run([...small, '--backends', backend, ...greedy, '--tokens', '60'])
      assert.equal(first.code, 1)
      const again = /Again: drafthorse (.*)\n/.exec(first.stdout)?.[1]
      assert.ok(again, first.stdout)
      const { code, stdout } = await run(again.split(' '))
      assert.equal(code, 1)
      const difference = (text: string) => /The first difference: (.*)\n/.exec(text)?.[1]
      assert.equal(difference(stdout), difference(first.stdout))
      assert.match(difference(stdout)!, /^token \d+ is 5, plain decoding has \d+\.$/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('names what there is when asked for something else', async () => {
    for (const [option, value, says] of [
      ['--drafts', 'oracle', /There is no oracle; there is own-set, .*hostile/],
      ['--dtypes', 'f64', /There is no f64; there is f32, bf16/],
      ['--samplings', '', /names, separated by commas/],
    ] as const) {
      const { code, stdout, stderr } = await run(['bench', 'identity', option, value])
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(stderr, says)
    }
  })
})
