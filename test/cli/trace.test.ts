// `generate --trace`: a file of whole lines that says what each round did, or no file at all.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTrace } from '../../cli/trace.ts'
import type { RoundTrace } from '../../decode/stats.ts'
import { ArgumentError } from '../../engine/errors.ts'
import { skipUnlessPossible } from '../skip.ts'
import { run } from './run.ts'

const round: RoundTrace = {
  round: 0,
  position: 5,
  draft: 'skip',
  kind: undefined,
  limit: 4,
  drafted: [7, 8, 9],
  accepted: 2,
  confidences: [0.9, 0.8, 0.4],
  tokens: [7, 8, 10],
  rows: 4,
  draftPasses: 3,
  milliseconds: { round: 3, draft: 1, verify: 1.5, sample: 0.5 },
}

/** The lines of a trace, all of which are whole. */
async function linesOf(file: string) {
  const text = await readFile(file, 'utf8')
  assert.ok(text.endsWith('\n'), 'the last line has no end')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('a trace', () => {
  let folder: string
  let file: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
    file = join(folder, 'rounds.jsonl')
  })
  afterEach(() => rm(folder, { recursive: true }))
  const left = (): Promise<string[]> => readdir(folder)

  it('is what it says it is, then a line a round, each in the file at once, then how it ended', async () => {
    {
      await using trace = await openTrace(file)
      trace.begin({ model: 'mine', promptTokens: 5 })
      trace.round(round)
      assert.equal((await linesOf(file)).length, 2)
      trace.end({ error: new Error('the power went') })
    }
    const { kind: _, ...written } = round
    assert.deepEqual(await linesOf(file), [
      { format: 'drafthorse/trace@1', type: 'start', model: 'mine', promptTokens: 5 },
      { type: 'round', ...written },
      { type: 'end', error: 'the power went' },
    ])
  })

  it('leaves what stood there until it has something to say: nothing, or an older trace, which it then replaces', async () => {
    const openAndFail = async (): Promise<void> => {
      await using trace = await openTrace(file)
      trace.begin({})
      trace.end({ error: new Error('no such model') })
    }
    await openAndFail()
    assert.deepEqual(await left(), [])
    const old = `{"format":"drafthorse/trace@1"}\n${'{"type":"round"}\n'.repeat(100)}`
    await writeFile(file, old)
    await openAndFail()
    assert.equal(await readFile(file, 'utf8'), old)
    {
      await using trace = await openTrace(file)
      trace.begin({})
      trace.round(round)
    }
    assert.equal((await linesOf(file)).length, 2)
  })

  it('takes the place of no other file, but of an empty one', async () => {
    for (const other of ['{"format":"drafthorse/trac', 'my novel', '\n', '{"format":"drafthorse/chat@1"}']) {
      await writeFile(file, other)
      await assert.rejects(openTrace(file), (error: Error) => {
        assert.ok(error instanceof ArgumentError)
        return error.message.includes('rounds.jsonl is there already and is no trace')
      })
      assert.equal(await readFile(file, 'utf8'), other)
    }
    await writeFile(file, '')
    await (await openTrace(file))[Symbol.asyncDispose]()
    assert.deepEqual(await left(), ['rounds.jsonl'])
  })

  it('says why it cannot be written, and leaves nothing', async () => {
    const missing = join(folder, 'no', 'rounds.jsonl')
    await assert.rejects(openTrace(missing), /trace cannot be written to .*rounds\.jsonl: ENOENT.*another file/)
    await assert.rejects(openTrace(folder), ArgumentError)
    await assert.rejects(openTrace('-'), /--trace takes a file/)
    assert.deepEqual(await left(), [])
  })

  it('says what went wrong on a full disk, once', async function () {
    skipUnlessPossible(this, process.platform === 'linux', 'only Linux has /dev/full')
    await using trace = await openTrace('/dev/full')
    trace.begin({})
    assert.throws(() => trace.round(round), /trace cannot be written to \/dev\/full: ENOSPC/)
    trace.end({ error: new Error('that') })
  })
})

describe('drafthorse generate --trace', function () {
  this.timeout(60_000)
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
  })
  after(() => rm(folder, { recursive: true }))

  const generate = (...args: string[]): ReturnType<typeof run> =>
    run(['generate', 'Once upon a time', '--json', ...args], { cwd: folder })

  it('has every token of the text in its rounds, and the figures that are reported', async () => {
    for (const ways of [
      ['--draft', 'skip', '--draft-length', '3'],
      ['--draft', 'none'],
    ]) {
      const { code, stdout } = await generate('--max-new-tokens', '20', '--trace', 'rounds.jsonl', ...ways)
      assert.equal(code, 0)
      const report = JSON.parse(stdout)
      const [start, ...rest] = await linesOf(join(folder, 'rounds.jsonl'))
      const rounds: RoundTrace[] = rest.slice(0, -1)
      const { format, model, backend, running, promptTokens, options } = start
      assert.deepEqual([format, model, backend], ['drafthorse/trace@1', report.model, report.backend])
      assert.deepEqual(running, report.running)
      assert.equal(promptTokens, report.stats.promptTokens)
      assert.deepEqual([options.draft, options.maxNewTokens], [ways[1], 20])
      assert.deepEqual(rest.at(-1), { type: 'end', finishReason: 'length', stats: report.stats })
      assert.deepEqual(
        rounds.flatMap(({ tokens }) => tokens),
        report.tokens,
      )
      assert.equal(rounds.length, report.stats.rounds)
      let position = promptTokens
      for (const [i, traced] of rounds.entries()) {
        assert.deepEqual([traced.round, traced.position], [i, position])
        position += traced.tokens.length
      }
      assert.equal(
        rounds.reduce((sum, { drafted }) => sum + drafted.length, 0),
        report.stats.draftedTokens,
      )
      assert.equal(
        rounds.reduce((sum, { accepted }) => sum + accepted, 0),
        report.stats.acceptedTokens,
      )
    }
  })

  it('is refused before anything is loaded or said, and nothing is left', async () => {
    const { code, stdout, stderr } = await generate('--model', './nowhere', '--trace', join('no', 'rounds.jsonl'))
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^error: the trace cannot be written to /)
    assert.equal((await generate('--model', './nowhere', '--trace', 'early.jsonl')).code, 1)
    assert.ok(!(await readdir(folder)).includes('early.jsonl'))
  })

  it('has whole lines and an end when Ctrl-C ends the generation', async function () {
    skipUnlessPossible(this, process.platform !== 'win32', 'Windows cannot send a child Ctrl-C')
    let killed = false
    const args = ['generate', 'Once', '--max-new-tokens', '450', '--ignore-eos', '--trace', 'stopped.jsonl']
    const { code } = await run(args, {
      cwd: folder,
      onOutput(all, kill) {
        if (killed || all.length <= 40) return
        killed = true // a second Ctrl-C would end the process at once
        kill('SIGINT')
      },
    })
    assert.equal(code, 130)
    const lines = await linesOf(join(folder, 'stopped.jsonl'))
    assert.ok(lines.length > 2)
    assert.deepEqual([lines.at(-1).type, lines.at(-1).finishReason], ['end', 'aborted'])
  })
})

describe('drafthorse generate --stats', function () {
  this.timeout(60_000)

  it('writes its tables to standard error, in place of the line of figures, beside text and JSON', async () => {
    const args = ['generate', 'A cat', '--max-new-tokens', '8', '--stats', '--draft', 'skip', '--draft-length', '2']
    const text = await run(args, { env: { LC_ALL: 'C' } })
    assert.equal(text.code, 0)
    assert.ok(!text.stdout.includes('generation'))
    assert.match(text.stderr, /^generation +8 tokens \(length\)$/m)
    assert.match(text.stderr, /^accepted +rounds +share$/m)
    assert.doesNotMatch(text.stderr, /passes of the full model,/)
    const json = await run([...args, '--json'])
    assert.equal(JSON.parse(json.stdout).tokens.length, 8)
    assert.match(json.stderr, /^generation +8 tokens \(length\)$/m)
  })
})

describe('drafthorse generate --exit-layer', () => {
  it('skips all sublayers from there on, and stands beside no skip set', async () => {
    const early = await run(['generate', 'A cat', '--json', '--max-new-tokens', '3', '--exit-layer', '10'])
    assert.deepEqual(JSON.parse(early.stdout).stats.skip, { attention: [10, 11], mlp: [10, 11] })
    const both = await run(['generate', 'A cat', '--exit-layer', '10', '--skip-mlp', '3'])
    assert.deepEqual([both.code, both.stdout], [1, ''])
    assert.match(both.stderr, /a skip set or as --exit-layer, not both/)
  })
})
