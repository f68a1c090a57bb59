// `drafthorse bench speculate`: what it compares, and the costs that it keeps.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './run.ts'

const brief = ['bench', 'speculate', '--limit', '2', '--max-new-tokens', '8', '--longest', '2', '--passes', '2']

describe('drafthorse bench speculate', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-speculate-'))
  })
  after(() => rm(folder, { recursive: true }))

  it('finds the same texts in every way, and keeps costs where it is told', async () => {
    const file = join(folder, 'skip.json')
    const ways = ['--drafts', 'skip,lookup', '--draft-lengths', '1,threshold,1']
    const { code, stdout, stderr } = await run([...brief, ...ways, '--save-costs', file, '--json'])
    assert.equal(code, 0)
    assert.match(stderr, /costs kept in .*skip\.json\n$/)
    const report = JSON.parse(stdout)
    assert.equal(report.format, 'drafthorse/bench-speculate@1')
    assert.equal(report.tokens, 16)
    type Row = { draft: string; draftLength: string; identical: number }
    assert.deepEqual(
      report.rows.map(({ draft, draftLength, identical }: Row) => [draft, draftLength, identical]),
      [
        ['none', '0', 2],
        ...['skip', 'lookup'].flatMap((draft) => ['1', 'threshold', '2'].map((length) => [draft, length, 2])),
      ],
    )
    assert.equal(report.savings.length, 2)
    const kept = JSON.parse(await readFile(file, 'utf8'))
    assert.equal(kept.format, 'drafthorse/skip@1')
    const [costs] = kept.stories.costs
    assert.deepEqual([costs.backend, costs.threads, costs.verify.length], ['wasm', report.threads, 3])
    assert.deepEqual([kept.stories.attention, kept.stories.mlp], [report.skip.attention, report.skip.mlp])
    assert.ok(kept.stories.survival.length >= 1 && kept.stories.survival.length <= 2)

    const f32 = ['--drafts', 'skip', '--draft-lengths', '1', '--no-savings', '--dtype', 'f32', '--save-costs', file]
    const { code: ended, stdout: table } = await run([...brief, ...f32])
    assert.equal(ended, 0)
    assert.match(table, /^plain +\d/m)
    assert.match(table, /^skip +1 +\d+\.\d.* 2 of 2$/m)
    assert.match(table, /^Reached of it: 1 \d/m)
    const both = JSON.parse(await readFile(file, 'utf8')).stories.costs
    assert.deepEqual(
      both.map(({ dtype }: { dtype: string }) => dtype),
      [costs.dtype, 'f32'],
    )
  })

  it('refuses what cannot be, before a model is loaded where it can be told', async () => {
    const table = join(folder, 'news.csv')
    await writeFile(table, 'text\nA text.\n')
    for (const [args, says] of [
      [['--draft-lengths', '0,3'], /numbers from 1, or "threshold", .*: 0 is plain decoding/],
      [['--drafts', 'oracle'], /There is no draft "oracle"; there is skip, lookup, cascade, auto/],
      [['--articles', 'no-such.csv'], /there is no file no-such\.csv; --articles takes/],
      [['--articles', table, '--column', 'body'], /row 1 of .* has no text in a column "body"/],
      [['--articles', table, '--prompts', table], /give --prompts or --articles, not both/],
      [['--articles', table], /not taught to chat/],
      [['--drafts', 'lookup', '--save-costs'], /--save-costs keeps what drafts of the model's own skip set cost/],
    ] as const) {
      const { code, stdout, stderr } = await run(['bench', 'speculate', ...args])
      assert.deepEqual([code, stdout], [1, ''], stderr)
      assert.match(stderr, says)
    }
  })
})
