// The page of a search in a headless Chromium: what it shows is what the journal says, its charts are drawn, nothing complains,
// and nothing but its own scripts runs.
import assert from 'node:assert/strict'
import type { Browser, Page } from 'playwright-core'
import { type Site, serve } from '../../../bench/site.ts'
import { chartScripts } from '../../../cli/report/chart-scripts.ts'
import { renderPage } from '../../../cli/report/page.ts'
import { searchFigures } from '../../../cli/report/search-figures.ts'
import { searchPage } from '../../../cli/report/search-page.ts'
import { skipUnless, skipUnlessPossible } from '../../skip.ts'
import { launchChromium, missingChromium } from '../../trial/browser.ts'
import { type Synthetic, type SyntheticOptions, syntheticJournal } from './synthetic-journal.ts'

const six = ['bayesian', 'random', 'greedy', 'clasp', 'swift', 'knapsack']
const charts = ['best-so-far', 'best-tenth', 'acceptance-cost', 'predicted-measured']

const journals: Readonly<Record<string, { options: SyntheticOptions; drawn: readonly string[] }>> = {
  'of one strategy': { options: {}, drawn: charts },
  'of six strategies and three seeds': { options: { strategies: six, seeds: 3, confirmed: 4 }, drawn: charts },
  'without confirmed runs': { options: { confirmed: 0 }, drawn: charts.slice(0, 3) },
  'in which plain decoding is fastest': { options: { rowCost: 3 }, drawn: ['best-so-far', 'acceptance-cost'] },
  'of 80 layers': { options: { layers: 80, strategies: six, evaluations: 100 }, drawn: charts },
  'of one evaluation': { options: { evaluations: 1 }, drawn: ['best-so-far', 'acceptance-cost'] },
}

describe('the page of a search', () => {
  let browser: Browser
  let site: Site
  const pages = new Map<string, string>()
  const complaints: string[] = []
  const asked: string[] = []

  before(async function () {
    const reason = missingChromium()
    if (process.platform !== 'linux') skipUnlessPossible(this, !reason, `${reason}`)
    skipUnless(this, !reason, `${reason}`)
    browser = await launchChromium()
    site = await serve(async (path) => {
      asked.push(path)
      return pages.get(path) ?? assert.fail(path)
    })
  })

  after(async () => {
    await browser?.close()
    await site?.close()
  })

  afterEach(async () => {
    for (const context of browser?.contexts() ?? []) await context.close()
    assert.deepEqual(complaints.splice(0), [])
    assert.deepEqual(asked.splice(0), ['page.html'])
  })

  async function open(
    journal: Synthetic,
    {
      colorScheme = 'light',
      change = (page) => page,
    }: { colorScheme?: 'light' | 'dark'; change?: (page: string) => string } = {},
  ): Promise<Page> {
    const figures = searchFigures(journal.header, journal.records)
    pages.set('page.html', change(renderPage({ ...searchPage(figures), scripts: await chartScripts() })))
    const tab = await browser.newPage({ colorScheme })
    tab.on('pageerror', (error) => complaints.push(`thrown: ${error.stack ?? error}`))
    tab.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`))
    tab.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`))
    tab.on('request', (request) => {
      if (!request.url().startsWith(site.address)) complaints.push(`requests ${request.url()}`)
    })
    await tab.goto(`${site.address}/page.html`)
    await tab.waitForSelector('html[data-drawn]')
    return tab
  }

  /** Pixels of each chart that are not of its background, by the chart's id. */
  const inked = (tab: Page): Promise<Record<string, number>> =>
    tab.$$eval('canvas', (all) =>
      Object.fromEntries(
        all.map((canvas) => {
          const bytes = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height).data
          return [canvas.id, bytes.filter((alpha, i) => i % 4 === 3 && alpha > 0).length]
        }),
      ),
    )

  /** The cells of a table, by the heading above it. */
  const tableUnder = (tab: Page, heading: string): Promise<string[][]> =>
    tab.evaluate((text) => {
      const section = [...document.querySelectorAll('section')].find(
        (one) => one.querySelector('h2')?.textContent === text,
      )
      const rows = section?.querySelectorAll('table:not(.map)')[0]?.querySelectorAll('tbody tr') ?? []
      return [...rows].map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent ?? ''))
    }, heading)

  for (const [name, { options, drawn }] of Object.entries(journals)) {
    it(`${name} draws its charts, keeps within its width on a phone, and complains of nothing`, async () => {
      const journal = syntheticJournal(options)
      const tab = await open(journal)
      const ink = await inked(tab)
      assert.deepEqual(Object.keys(ink).sort(), [...drawn].sort())
      for (const [id, pixels] of Object.entries(ink)) assert.ok(pixels > 2000, `${id} has ${pixels} pixels`)
      await tab.setViewportSize({ width: 360, height: 700 })
      await tab.waitForFunction(() => document.documentElement.scrollWidth === 360)
    })
  }

  it('has the figures of the journal in its tables', async () => {
    const { header, records, text } = syntheticJournal({ strategies: six, seeds: 3, confirmed: 4 })
    const tab = await open({ header, records, text })
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const byStrategy = six.map((strategy) =>
      lines.filter((line) => line.kind === 'point' && line.strategy === strategy),
    )
    const best = byStrategy.map((points) =>
      points.reduce((most, point) => (point.speedup > most.speedup ? point : most)),
    )

    const strategies = await tableUnder(tab, 'Best so far by evaluation')
    assert.deepEqual(
      strategies.map((row) => row.filter((_, i) => [0, 1, 2, 4, 5].includes(i))),
      best.map(({ strategy, speedup, draftLength }) => [strategy, '3', '60', speedup.toFixed(3), `${draftLength}`]),
    )
    const medians = byStrategy.map((points) => {
      const bests = [1, 2, 3].map((seed) =>
        Math.max(...points.filter((point) => point.seed === seed).map(({ speedup }) => speedup)),
      )
      return bests.sort((a, b) => a - b)[1]!.toFixed(3)
    })
    assert.deepEqual(
      strategies.map((row) => row[3]!.split(' ')[0]),
      medians,
    )

    assert.deepEqual(
      (await tableUnder(tab, 'Skip map')).map((row) => row.slice(0, 5)),
      best.map(({ strategy, speedup, draftLength, draft, survival }) => [
        strategy,
        speedup.toFixed(3),
        `${draftLength}`,
        draft.toFixed(3),
        `${(100 * survival[0]).toFixed(1)} %`,
      ]),
    )
    const map = await tab.$$eval('.map tbody', (bodies) =>
      bodies.map((body) =>
        [...body.querySelectorAll('tr')].map((row) =>
          [...row.querySelectorAll('td')].map((cell) => cell.className === 'skipped'),
        ),
      ),
    )
    for (const [i, { key }] of best.entries()) {
      for (const offset of [0, 1]) {
        assert.deepEqual(
          map[i]![offset],
          [...key].filter((_, at) => at % 2 === offset).map((digit) => digit === '1'),
        )
      }
    }

    const all = lines.filter((line) => line.kind === 'point')
    const dominated = (one: { draft: number; survival: number[] }): boolean =>
      all.some(
        ({ draft, survival }) =>
          draft <= one.draft &&
          survival[0] >= one.survival[0]! &&
          (draft < one.draft || survival[0] > one.survival[0]!),
      )
    const front = new Set(
      all.filter((point) => !dominated(point)).map(({ draft, survival }) => `${draft} ${survival[0]}`),
    )
    assert.equal((await tableUnder(tab, 'Acceptance against cost')).length, front.size)

    assert.deepEqual(
      (await tableUnder(tab, 'Predicted against measured')).map((row) => row.slice(0, 3)),
      lines
        .filter(({ kind }) => kind === 'confirmed')
        .map(({ speedup: { median, low, high }, predicted }) => [
          `${median.toFixed(3)} (${low.toFixed(3)}-${high.toFixed(3)})`,
          predicted.toFixed(3),
          `-${((100 * (predicted - median)) / predicted).toFixed(1)} %`,
        ]),
    )
  })

  it('shows strings of the journal as text, whatever they hold', async () => {
    const hostile = [
      '</script><script>document.title = "broken"</script>',
      '"><img src="broken.png" onerror="alert(1)">',
      "<!--<script> ' ]]> &lt;b&gt;",
    ]
    const [model, backend, dtype] = hostile.map((text) => `${text}</title></style></dd>`)
    const over = {
      model: model!,
      backend: backend!,
      dtype: dtype!,
      modelId: hostile[0]!,
      version: hostile[1]!,
      date: hostile[2]!,
    }
    const tab = await open(syntheticJournal({ strategies: hostile, header: over }))
    assert.equal(await tab.title(), `Skip sets for ${model}`)
    assert.equal(await tab.textContent('h1'), `Skip sets for ${model}`)
    const facts = await tab.$$eval('dd', (all) => all.map((fact) => fact.textContent))
    assert.deepEqual([facts[0], facts[2], facts[3], facts.at(-1)], [model, backend, dtype, hostile[2]])
    assert.deepEqual(
      (await tableUnder(tab, 'Skip map')).map((row) => row[0]),
      hostile,
    )
    const count = (selector: string): Promise<number> => tab.locator(selector).count()
    assert.deepEqual([await count('script'), await count('style'), await count('img, iframe, link')], [3, 1, 0])
    assert.ok(Object.values(await inked(tab)).every((pixels) => pixels > 2000))
  })

  it('runs no script and loads nothing but what was put into it, should its escaping ever fail', async () => {
    const injected = `<script>document.title = 'broken'</script><img src="/broken.png" onerror="document.title = 'broken'">
      <style>h1 { display: none }</style><iframe src="/broken.html"></iframe>`
    const tab = await open(syntheticJournal({ header: { model: 'here' } }), {
      change: (page) => page.replace('<main>', `<main>${injected}`),
    })
    assert.equal(await tab.title(), 'Skip sets for here')
    assert.equal(await tab.isVisible('h1'), true)
    assert.equal(await tab.evaluate(() => fetch('/broken').catch(() => 'refused')), 'refused')
    await tab.waitForLoadState()
    // Chromium says so of the script, the image, the style, the frame and the request.
    const said = complaints.splice(0)
    assert.deepEqual(
      said.filter((line) => !line.includes('Content Security Policy')),
      [],
    )
    assert.ok(said.length >= 5, said.join('\n'))
  })

  it('draws in the colours of a dark screen, of a light one, and of paper', async () => {
    const tab = await open(syntheticJournal(), { colorScheme: 'dark' })
    const drawn = (): Promise<string> => tab.evaluate(() => document.querySelector('canvas')!.toDataURL())
    const paper = (): Promise<string> => tab.evaluate(() => getComputedStyle(document.body).backgroundColor)
    for (const media of [{ colorScheme: 'light' }, { colorScheme: 'dark', media: 'print' }] as const) {
      const before = await drawn()
      await tab.emulateMedia(media)
      await tab.waitForFunction((picture) => document.querySelector('canvas')!.toDataURL() !== picture, before)
      assert.equal(await paper(), 'rgb(255, 255, 255)')
    }
  })
})
