// `drafthorse search` as a user meets it: the built program, killed, interrupted, given what it cannot use, and gone on with.
import assert from 'node:assert/strict'
import { watch } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JournalHeader, JournalRecord, PointRecord } from '../../search/journal.ts'
import { parseJournal } from '../../search/journal-reader.ts'
import { skipUnlessPossible } from '../skip.ts'
import { type Ended, run } from './run.ts'

/** How often a search is killed; by hand more often. */
const kills = Number(process.env['DRAFTHORSE_KILLS'] ?? 2)

describe('drafthorse search', function () {
  this.timeout(120_000 + 20_000 * kills)
  let folder = ''
  let base = ''
  /** Of an undisturbed search. */
  let undisturbed: readonly JournalRecord[] = []
  const objective = ['--limit', '2', '--max-new-tokens', '24', '--longest', '4', '--threads', '1']
  const settings = [...objective, '--evaluations', '16', '--confirm', '0']

  const path = (name: string): string => join(folder, name)
  const search = (args: readonly string[], options: Parameters<typeof run>[1] = {}): Promise<Ended> =>
    run(['search', ...args], { cwd: folder, env: { DRAFTHORSE_CACHE: path('cache') }, ...options })
  const recordsOf = async (name: string): Promise<readonly JournalRecord[]> =>
    parseJournal(await readFile(path(name)), name).records
  /** What does not differ from run to run. */
  const wayOf = (records: readonly JournalRecord[]): object[] =>
    records.flatMap((record) => (record.kind === 'point' ? [{ ...record, ms: 0 }] : []))
  const bestOf = (records: readonly JournalRecord[]): PointRecord =>
    records
      .filter((record): record is PointRecord => record.kind === 'point')
      .reduce((best, point) => (point.speedup > best.speedup ? point : best))

  /** A journal in which nothing is but what passes cost: all that goes on with it finds the same. */
  async function begun(name: string, changes: Partial<JournalHeader> = {}): Promise<void> {
    const header = JSON.parse(await readFile(base, 'utf8'))
    await writeFile(path(name), `${JSON.stringify({ ...header, ...changes })}\n`)
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-search-'))
    base = path('base.jsonl')
    const { code, stderr } = await search([...objective, '--evaluations', '1', '--confirm', '0', '--journal', base])
    assert.equal(code, 0, stderr)
    const [line = ''] = (await readFile(base, 'utf8')).split('\n')
    const header: JournalHeader = JSON.parse(line)
    const costs = header.costs.map((_, sublayer) => (sublayer % 2 === 0 ? 0.03 : 0.04))
    await writeFile(base, JSON.stringify({ ...header, costs, around: 0.08, verify: [1, 1.1, 1.2, 1.3, 1.4] }))
    await begun('undisturbed.jsonl')
    const whole = await search([...settings, '--journal', 'undisturbed.jsonl', '--resume'])
    assert.equal(whole.code, 0, whole.stderr)
    undisturbed = await recordsOf('undisturbed.jsonl')
    assert.equal(wayOf(undisturbed).length, 16)
  })
  after(() => rm(folder, { recursive: true, force: true }))

  /** Runs a search, and sends a signal once its journal has so many bytes. */
  async function disturbed(args: readonly string[], { journal, at, signal }: Disturbance): Promise<Ended> {
    const file = path(journal)
    let send: ((signal: NodeJS.Signals) => void) | undefined
    let sent = false
    const watcher = watch(file, () => {
      readFile(file).then(({ length }) => {
        if (length < at || sent) return
        sent = true
        send?.(signal)
      })
    })
    try {
      return await search([...args, '--journal', journal, '--resume'], {
        onStart: (kill) => {
          send = kill
        },
      })
    } finally {
      watcher.close()
    }
  }
  interface Disturbance {
    readonly journal: string
    readonly at: number
    readonly signal: NodeJS.Signals
  }

  it(`goes on after kill -9, ${kills} times, to what it would have found undisturbed`, async () => {
    await begun('killed.jsonl')
    const { length: whole } = await readFile(path('undisturbed.jsonl'))
    const { length: start } = await readFile(path('killed.jsonl'))
    const moments = Array.from({ length: kills }, () => start + Math.floor(Math.random() * (whole - start))).sort(
      (a, b) => a - b,
    )
    console.log(`      killed at ${moments.join(', ')} bytes`)
    for (const at of moments) {
      const before = wayOf(await recordsOf('killed.jsonl')).length
      await disturbed(settings, { journal: 'killed.jsonl', at, signal: 'SIGKILL' })
      const way = wayOf(await recordsOf('killed.jsonl'))
      assert.ok(way.length >= before)
      assert.deepEqual(way, wayOf(undisturbed).slice(0, way.length))
    }
    const { code, stdout } = await search([...settings, '--journal', 'killed.jsonl', '--resume', '--json'])
    assert.equal(code, 0)
    assert.deepEqual(wayOf(await recordsOf('killed.jsonl')), wayOf(undisturbed))
    assert.equal(JSON.parse(stdout).chosen.key, bestOf(undisturbed).key)
  })

  it('ends at Ctrl-C with the best that was found, which --out writes and nothing keeps', async function () {
    skipUnlessPossible(this, process.platform !== 'win32', 'Windows cannot send a child Ctrl-C')
    await begun('stopped.jsonl')
    const at = Math.floor((await readFile(path('undisturbed.jsonl'))).length * 0.6)
    const args = [...settings, '--confirm', '3', '--out', 'stopped.json']
    const { code, stdout } = await disturbed(args, { journal: 'stopped.jsonl', at, signal: 'SIGINT' })
    assert.equal(code, 130)
    assert.match(stdout, /interrupted\n(.*\n)*Best so far: .* times plain decoding.*by the model alone/)
    assert.match(stdout, /not timed, and so it is not kept for stories; it is written to stopped\.json/)
    assert.match(stdout, /The same command with --resume goes on with stopped\.jsonl/)
    const records = await recordsOf('stopped.jsonl')
    const end = records.at(-1)
    assert.ok(end?.kind === 'end' && end.reason === 'interrupted' && end.best === bestOf(records).key)
    const { stories } = JSON.parse(await readFile(path('stopped.json'), 'utf8'))
    assert.equal(stories.predicted, bestOf(records).speedup)
    assert.equal(stories.confirmed, undefined)
    assert.ok(!(await readdir(folder)).includes('cache'))
    assert.equal((await search([...settings, '--journal', 'stopped.jsonl', '--resume'])).code, 0)
    assert.deepEqual(wayOf(await recordsOf('stopped.jsonl')), wayOf(undisturbed))
  })

  it('tells at Ctrl-C before it goes on what the journal has', async function () {
    skipUnlessPossible(this, process.platform !== 'win32', 'Windows cannot send a child Ctrl-C')
    // That the torn line is cut off is heard before the model is loaded.
    await writeFile(path('early.jsonl'), `${await readFile(path('undisturbed.jsonl'), 'utf8')}{"kind":"po`)
    const args = [...objective, '--confirm', '0', '--evaluations', '48', '--json']
    const { code, stdout } = await disturbed(args, { journal: 'early.jsonl', at: 0, signal: 'SIGINT' })
    assert.equal(code, 130)
    const { end, chosen, journal } = JSON.parse(stdout)
    assert.deepEqual([end, chosen.key, journal], ['interrupted', bestOf(undisturbed).key, 'early.jsonl'])
  })

  it('tells what it found also where that can no longer be written', async () => {
    await begun('late.jsonl')
    const watcher = watch(path('late.jsonl'), () => void mkdir(path('late.json')).catch(() => {})) // the first of many
    const args = [...settings, '--journal', 'late.jsonl', '--resume', '--out', 'late.json', '--json']
    const { code, stdout, stderr } = await search(args).finally(() => watcher.close())
    await rm(path('late.json'), { recursive: true })
    assert.equal(code, 1)
    assert.match(stderr, /^error: late\.json is there already and is no skip file \(it is not a file\)[^\n]*\n$/)
    const { chosen, out } = JSON.parse(stdout)
    assert.deepEqual([chosen.key, out], [bestOf(undisturbed).key, undefined])
  })

  it('finds by workers what one process finds', async () => {
    await begun('workers.jsonl')
    const { code, stderr } = await search([...settings, '--workers', '2', '--journal', 'workers.jsonl', '--resume'])
    assert.equal(code, 0, stderr)
    assert.deepEqual(wayOf(await recordsOf('workers.jsonl')), wayOf(undisturbed))
  })

  it('runs all strategies under equal budgets, one journal for all, and says what each found', async () => {
    await copyFile(path('undisturbed.jsonl'), path('all.jsonl'))
    const args = [...settings, '--strategy', 'all', '--journal', 'all.jsonl', '--resume']
    const { code, stdout } = await search([...args, '--json'])
    assert.equal(code, 0)
    const { format, searches, evaluated, end, chosen } = JSON.parse(stdout)
    assert.deepEqual([format, end], ['drafthorse/search-result@1', 'untimed'])
    const names = ['bayesian', 'random', 'greedy', 'clasp', 'swift', 'knapsack']
    assert.deepEqual(
      searches.map(({ strategy }: { strategy: string }) => strategy),
      names,
    )
    for (const { evaluations, reason } of searches) assert.ok(evaluations === 16 || reason === 'exhausted')
    const records = await recordsOf('all.jsonl')
    const points = records.filter((record): record is PointRecord => record.kind === 'point')
    assert.equal(new Set(points.map(({ key }) => key)).size, evaluated)
    assert.equal(chosen.key, bestOf(records).key)
    const table = await search(args)
    for (const name of names) assert.match(table.stdout, new RegExp(`^${name} `, 'm'))
    assert.equal((await recordsOf('all.jsonl')).length, records.length)
  })

  it('writes a skip file that generate takes without a warning, among the sets of other models', async () => {
    const other = { 'llama-2-13b': { attention: [3, 5], mlp: [6] }, stories: { attention: [1], mlp: [], note: 'old' } }
    await writeFile(path('sets.json'), JSON.stringify(other))
    const { code } = await search([...settings, '--journal', 'undisturbed.jsonl', '--resume', '--out', 'sets.json'])
    assert.equal(code, 0)
    const { format, stories, ...others } = JSON.parse(await readFile(path('sets.json'), 'utf8'))
    assert.deepEqual([format, others], ['drafthorse/skip@1', { 'llama-2-13b': other['llama-2-13b'] }])
    const {
      attention,
      mlp,
      id,
      objective: of,
      backend,
      dtype,
      threads,
      predicted,
      costs,
      survival,
      date,
      note,
    } = stories
    const best = bestOf(undisturbed)
    const key = Array.from({ length: 12 }, (_, layer) =>
      [attention, mlp].map((list) => +list.includes(layer)).join(''),
    ).join('')
    assert.deepEqual([key, predicted, note], [best.key, best.speedup, undefined])
    const header = JSON.parse(await readFile(base, 'utf8'))
    assert.deepEqual([id, of, backend, dtype, threads], [header.modelId, header.objective, 'wasm', header.dtype, 1])
    assert.deepEqual([costs.length, costs[0].verify, survival.length], [1, header.verify, best.survival.length])
    assert.ok(Math.abs(Date.parse(date) - Date.now()) < 600_000)
    const told = await run(['generate', 'A cat', '--max-new-tokens', '3', '--json', '--skip', path('sets.json')])
    assert.deepEqual([told.code, told.stderr], [0, ''])
    assert.deepEqual(JSON.parse(told.stdout).stats.skip, { attention, mlp })
  })

  it('says that plain decoding is fastest where no set is expected to pay, and keeps nothing', async () => {
    await begun('plain.jsonl', { around: 3 })
    const args = [...objective, '--evaluations', '8', '--journal', 'plain.jsonl', '--resume', '--out', 'plain.json']
    const { code, stdout } = await search(args)
    assert.equal(code, 0)
    assert.match(
      stdout,
      /Plain decoding is fastest here: none of the 8 sets is expected to be faster\.\nNothing is kept/,
    )
    assert.match(stdout, /The set that stories has \(attention 3-11, MLP 3-11\) stays as it is/)
    const json = await search([...args, '--json'])
    assert.deepEqual([JSON.parse(json.stdout).end, JSON.parse(json.stdout).chosen], ['plain', undefined])
    const there = await readdir(folder)
    assert.ok(!there.includes('plain.json') && !there.includes('cache'))
  })

  it('times the best set and the one that the model has, and keeps the faster, or none where plain decoding is', async () => {
    await copyFile(path('undisturbed.jsonl'), path('timed.jsonl'))
    const cache = path('kept')
    const args = [...settings, '--confirm', '1', '--journal', 'timed.jsonl', '--resume', '--json']
    const { code, stdout, stderr } = await search(args, { env: { DRAFTHORSE_CACHE: cache } })
    assert.equal(code, 0, stderr)
    const { end, chosen, saved, confirmed } = JSON.parse(stdout)
    const timed = (await recordsOf('timed.jsonl')).filter((record) => record.kind === 'confirmed')
    assert.deepEqual(
      timed.map(({ key }) => key),
      confirmed.map(({ key }: { key: string }) => key),
    )
    const again = timed.filter((record) => record.again)
    assert.deepEqual(timed.slice(timed.length - again.length), again)
    assert.deepEqual([timed[0]!.key, timed[0]!.predicted], [bestOf(undisturbed).key, bestOf(undisturbed).speedup])
    assert.ok(timed.every(({ identical }) => identical))
    if (end === 'plain') {
      assert.deepEqual([chosen, saved], [undefined, undefined])
      await assert.rejects(() => readdir(cache), /ENOENT/)
    } else {
      assert.equal(end, 'set')
      const { stories } = JSON.parse(await readFile(saved, 'utf8'))
      assert.deepEqual({ attention: stories.attention, mlp: stories.mlp }, chosen.skip)
      assert.deepEqual(stories.confirmed, again.find(({ key }) => key === chosen.key)!.costModel)
      const info = await run(['info', '--json'], { env: { DRAFTHORSE_CACHE: cache } })
      assert.deepEqual(JSON.parse(info.stdout).model.skip, chosen.skip)
    }
  })

  describe('says what is wrong, in a line, and fails', () => {
    const contents = async (): Promise<string[][]> => {
      const files = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile())
      return Promise.all(files.map(async ({ name }) => [name, await readFile(path(name), 'utf8')]))
    }
    const with_ = async (name: string, content: string): Promise<void> => writeFile(path(name), content)
    const resume = [...settings, '--resume', '--journal']
    const cases: Record<string, [args: string[], message: RegExp, prepare?: () => Promise<void>]> = {
      'no evaluations': [
        ['--evaluations', '0'],
        /--evaluations <n>' argument '0' is invalid. Expected a whole number from 1/,
      ],
      'no seconds': [['--seconds', '0'], /Expected a number of seconds above 0/],
      'two budgets': [
        ['--seconds', '5', '--evaluations', '5'],
        /'--seconds <s>' cannot be used with .*'--evaluations <n>'/,
      ],
      'a strategy that there is not': [['--strategy', 'luck'], /Allowed choices are bayesian, random, .*all/],
      'prompts that are empty': [
        ['--prompts', 'empty.txt'],
        /empty\.txt has no prompts; write one a line/,
        () => with_('empty.txt', '\n\n'),
      ],
      'prompts that are not there': [['--prompts', 'none.txt'], /there is no file none\.txt/],
      'a journal to go on with that is not named': [
        ['--resume'],
        /--resume goes on with a journal; name it: --journal FILE/,
      ],
      'a journal to go on with that is not there': [
        [...resume, 'none.jsonl'],
        /there is no journal none\.jsonl to go on with/,
      ],
      'a journal that is there already': [
        [...settings, '--journal', 'undisturbed.jsonl'],
        /undisturbed\.jsonl has \d+ bytes; give --resume/,
      ],
      'a journal that is none': [
        [...resume, 'empty.txt'],
        /empty\.txt is no journal|empty\.txt, line 1 is not JSON/,
        () => with_('empty.txt', '\n\n'),
      ],
      'a journal of another version': [
        [...resume, 'later.jsonl'],
        /later\.jsonl, line 1 has the format "drafthorse\/search@7"; this version reads/,
        () => with_('later.jsonl', '{"format":"drafthorse/search@7"}\n'),
      ],
      'a journal that is damaged': [
        [...resume, 'damaged.jsonl'],
        /damaged\.jsonl, line 5: "key" is "x[01]{23}"; expected 24 digits/,
        async () => {
          const lines = (await readFile(path('undisturbed.jsonl'), 'utf8')).split('\n')
          lines[4] = lines[4]!.replace(/"key":"./, '"key":"x')
          await with_('damaged.jsonl', lines.join('\n'))
        },
      ],
      'a journal of another model': [
        [...resume, 'other.jsonl'],
        /other\.jsonl is the journal of another search: model is "stories" with the id f00d there and "stories" with the id [0-9a-f]{12} here/,
        () => begun('other.jsonl', { modelId: 'f00d' }),
      ],
      'a journal of another backend': [
        [...resume, 'undisturbed.jsonl', '--backend', 'reference'],
        /backend is "wasm" there and "reference" here/,
      ],
      'a journal of other texts': [
        [...resume, 'undisturbed.jsonl', '--max-new-tokens', '25'],
        /objective is "[0-9a-f]+" there and "[0-9a-f]+" here\. Ask for the same/,
      ],
      'a journal of other prompts': [
        [...resume, 'undisturbed.jsonl', '--limit', '3'],
        /prompts\.count is 2 there and 3 here/,
      ],
      'a file to write that is no skip file': [
        ['--out', 'my.json'],
        /my\.json is there already and is no skip file/,
        () => with_('my.json', '{"name":"x"}'),
      ],
      'a file to write that is no JSON': [
        ['--out', 'undisturbed.jsonl'],
        /undisturbed\.jsonl is there already and is no skip file/,
      ],
      'a file to write where there is no folder': [
        ['--out', 'no/set.json'],
        /no\/set\.json cannot be written: there is no folder no/,
      ],
      'a file to write where none can be made': [
        ['--out', process.platform === 'linux' ? '/proc/set.json' : 'no/set.json'],
        /set\.json cannot be written: /,
      ],
      'a cache folder that is none': [
        ['--journal', 'new.jsonl'],
        /cannot be written: .*DRAFTHORSE_CACHE names another folder, and --no-save keeps nothing/,
        () => with_('cache', ''),
      ],
      'drafts that are too long': [['--longest', '65'], /--longest is 65; expected 64 at most/],
      'one file for both': [['--out', 'a.json', '--journal', './a.json'], /--journal and --out name the same file/],
    }
    for (const [what, [args, message, prepare]] of Object.entries(cases)) {
      it(what, async () => {
        await prepare?.()
        const before = await contents()
        const { code, stdout, stderr } = await search(args)
        assert.deepEqual([code, stdout], [1, ''], stderr)
        assert.match(stderr, message)
        assert.match(stderr, /^error: [^\n]*\n$/)
        const after = await contents()
        assert.deepEqual(after, before)
        await rm(path('cache'), { force: true })
      })
    }
  })
})
