// `drafthorse search report`: what it writes, and what it refuses.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import { Command } from 'commander'
import { pageBeginning } from '../../cli/report/page.ts'
import { searchFigures } from '../../cli/report/search-figures.ts'
import { searchReportCommand } from '../../cli/search-report.ts'
import { ArgumentError, ModelFormatError, NotFoundError } from '../../engine/errors.ts'
import { skipUnlessPossible } from '../skip.ts'
import { syntheticJournal } from './report/synthetic-journal.ts'

const synthetic = syntheticJournal({ strategies: ['greedy', 'random'], seeds: 2, evaluations: 20 })

describe('drafthorse search report', () => {
  let folder = ''
  let journal = ''
  let page = ''

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-report-'))
    journal = join(folder, 'search.jsonl')
    page = join(folder, 'search.html')
    await writeFile(journal, synthetic.text)
  })

  afterEach(() => rm(folder, { recursive: true }))

  /** What the command writes to standard output and to standard error. */
  async function report(...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
    const written = { stdout: '', stderr: '' }
    const writers = (['stdout', 'stderr'] as const).map((name) =>
      mock.method(process[name], 'write', (text: string) => {
        written[name] += text
        return true
      }),
    )
    try {
      const above = new Command('search').option('--json').addCommand(searchReportCommand())
      await above.parseAsync(['report', ...args], { from: 'user' })
    } finally {
      for (const writer of writers) writer.mock.restore()
    }
    return written
  }

  it('shows the summary, and writes nothing', async () => {
    const { stdout, stderr } = await report(journal)
    assert.match(stdout, /^search +synthetic\n/)
    assert.match(stdout, /^greedy +2 +20 /m)
    assert.equal(stderr, '')
    assert.deepEqual(await readdir(folder), ['search.jsonl'])
  })

  it('writes a page as well, says where, and replaces one that it wrote', async () => {
    for (const _ of ['first', 'again']) {
      const { stdout, stderr } = await report(journal, '--html', page)
      assert.match(stdout, /^search +synthetic\n/)
      assert.equal(stderr, `wrote ${page}\n`)
      const text = await readFile(page, 'utf8')
      assert.ok(text.startsWith(pageBeginning) && text.endsWith('</html>\n'))
      assert.match(text, /Released under the MIT License[\s\S]*/)
      assert.match(text, /Copyright \(c\) \d{4}-\d{4} Jukka Kurkela/)
      assert.deepEqual((await readdir(folder)).sort(), ['search.html', 'search.jsonl'])
    }
  })

  it('has the same figures as JSON, in one object', async () => {
    const { stdout } = await report(journal, '--json', '--html', page)
    const { format, html, ...figures } = JSON.parse(stdout)
    assert.deepEqual([format, html], ['drafthorse/search-report@1', page])
    assert.deepEqual(figures, JSON.parse(JSON.stringify(searchFigures(synthetic.header, synthetic.records))))
  })

  it('reads a journal whose last line is torn', async () => {
    await writeFile(journal, synthetic.text.slice(0, -20))
    const { stdout } = await report(journal)
    assert.match(stdout, /^evaluations +80, of /m)
  })

  it('refuses journals that are missing, damaged, empty, of another kind, or folders', async () => {
    await assert.rejects(report(join(folder, 'none.jsonl')), (error) => {
      assert.ok(error instanceof NotFoundError)
      assert.match(error.message, /there is no journal .*none\.jsonl/)
      return true
    })
    await assert.rejects(report(folder), ArgumentError)
    for (const [text, type] of [
      [synthetic.text.replace('"draft":', '"draught":'), ModelFormatError],
      [synthetic.text.replace('search@1', 'search@2'), ModelFormatError],
      ['<html>\n', ModelFormatError],
      ['', ArgumentError],
    ] as const) {
      await writeFile(journal, text)
      await assert.rejects(report(journal, '--html', page), type)
    }
    assert.deepEqual(await readdir(folder), ['search.jsonl'])
  })

  it('replaces no file that is no page of its own, the journal least of all', async () => {
    const other = join(folder, 'other.html')
    await writeFile(other, '<!doctype html><title>mine</title>')
    for (const place of [journal, other]) {
      const before = await readFile(place, 'utf8')
      await assert.rejects(report(journal, '--html', place), (error) => {
        assert.ok(error instanceof ArgumentError)
        assert.match(error.message, /is there already and is no page of drafthorse; give --html another name/)
        return true
      })
      assert.equal(await readFile(place, 'utf8'), before)
    }
    await mkdir(page)
    await assert.rejects(report(journal, '--html', page), ArgumentError)
    await assert.rejects(report(journal, '--html', join(folder, 'none', 'a.html')), (error) => {
      assert.ok(error instanceof ArgumentError)
      assert.match(error.message, /the page cannot be written to .*ENOENT/)
      return true
    })
    assert.deepEqual((await readdir(folder)).sort(), ['other.html', 'search.html', 'search.jsonl'])
  })

  it('writes through a link, and leaves the link', async function () {
    skipUnlessPossible(this, process.platform !== 'win32', 'Windows lets few users make links')
    const target = join(folder, 'target.html')
    await writeFile(target, '')
    await symlink(target, page)
    await report(journal, '--html', page)
    assert.ok((await readFile(target, 'utf8')).startsWith(pageBeginning))
    assert.ok((await readdir(folder, { withFileTypes: true })).some((entry) => entry.isSymbolicLink()))
  })
})
