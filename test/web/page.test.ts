// The page in web/, built from the packed package as a user would: what it shows in a headless Chromium is what Node gives.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { generate, loadModel } from 'drafthorse'
import type { Browser, Page } from 'playwright-core'
import type { Site } from '../../bench/site.ts'
import { skipUnless, skipUnlessPossible } from '../skip.ts'
import { launchChromium, missingChromium } from '../trial/browser.ts'
import { type App, type BuiltPage, createApp } from './site.ts'

const newTokens = 80
/** Tokens that one round can bring: the drafts of default length, and one more. */
const mostInRound = 5

/** Text in runs of one source, as classes of the page name them. */
type Runs = readonly (readonly [source: string, text: string])[]

const joined = (runs: Runs): string => runs.map(([, text]) => text).join('')

async function tellInNode(prompt: string, draft: 'none' | 'skip'): Promise<Runs> {
  await using model = await loadModel('stories', { backend: 'wasm', dtype: 'bf16', threads: 1 })
  const runs: [string, string][] = [['prompt', prompt]]
  for await (const event of generate(model, prompt, { draft, draftLength: 2, maxNewTokens: newTokens })) {
    if (event.type !== 'token' || event.text === '') continue
    const source = event.source === 'draft' ? 'drafted' : 'own'
    const last = runs.at(-1)!
    if (last[0] === source) last[1] += event.text
    else runs.push([source, event.text])
  }
  return runs
}

describe('the page in web/', () => {
  let app: App | undefined
  let built: BuiltPage | undefined
  let browser: Browser | undefined
  const sites: Site[] = []
  const complaints: string[] = []
  /** Addresses of the workers that the page of a test has started. */
  let addresses: string[] = []

  before(async function () {
    const reason = missingChromium()
    if (process.platform !== 'linux') skipUnlessPossible(this, !reason, `${reason}`)
    skipUnless(this, !reason, `${reason}`)
    app = createApp()
    skipUnless(this, !app.failure, `${app.failure}`)
    built = await app.build('web')
    browser = await launchChromium()
  })

  after(async () => {
    await browser?.close()
    for (const site of sites) await site.close()
    app?.remove()
  })

  afterEach(async () => {
    for (const context of browser?.contexts() ?? []) await context.close()
    assert.deepEqual(complaints.splice(0), [])
  })

  /** Opens a page whose complaints, unhandled rejections among them, fail the test. */
  async function open(page: BuiltPage, options: Parameters<BuiltPage['serve']>[0]): Promise<Page> {
    const site = await page.serve(options)
    sites.push(site)
    const tab = await browser!.newPage()
    tab.setDefaultTimeout(120_000)
    tab.on('pageerror', (error) => complaints.push(`thrown: ${error.stack ?? error}`))
    addresses = []
    tab.on('worker', (worker) => addresses.push(worker.url()))
    tab.on('console', (message) => {
      // What a test does not serve is missed by the browser as well.
      const wanted = options.without?.test(message.location().url)
      if (!wanted && ['error', 'warning'].includes(message.type())) complaints.push(message.text())
    })
    await tab.goto(site.address)
    return tab
  }

  const reach = (tab: Page, state: 'empty' | 'ready'): Promise<unknown> =>
    tab.waitForSelector(`body[data-state="${state}"]`)

  async function openReady(options: { isolated: boolean }): Promise<Page> {
    const tab = await open(built!, options)
    await reach(tab, 'ready')
    return tab
  }

  /** Waits for so many workers: the model may be ready before they are. */
  async function started(tab: Page, workers: number): Promise<void> {
    while (tab.workers().length < workers) await tab.waitForEvent('worker')
  }

  async function tell(tab: Page, draft: 'none' | 'skip'): Promise<Runs> {
    await tab.check(`input[value=${draft}]`)
    await tab.fill('#length', `${newTokens}`)
    await tab.click('#tell')
    await reach(tab, 'ready')
    assert.equal(await tab.isVisible('#error'), false)
    return tab.$$eval('#story span', (runs) => runs.map((run) => [run.className, run.textContent] as const))
  }

  it('is built without a warning, from the WASM that the package embeds and a worker of its own, with nothing of Node', () => {
    const { folder, warnings } = built!
    assert.equal(warnings.trim(), '')
    const names = readdirSync(join(folder, 'assets'))
    assert.deepEqual(
      names.filter((name) => name.endsWith('.wasm')),
      [],
    )
    const workers = names.filter((name) => /^worker-.*\.js$/.test(name))
    assert.equal(workers.length, 1)
    const scripts = names.filter((name) => name.endsWith('.js'))
    const text = scripts.map((name) => readFileSync(join(folder, 'assets', name), 'utf8')).join('\n')
    assert.ok(text.includes(workers[0]!), 'no script names the worker')
    assert.ok(text.includes(Buffer.from('\0asm\x01\0\0').toString('base64').slice(0, 8)), 'no WASM in the scripts')
    assert.deepEqual(text.match(/\bnode:\w+|worker_threads|browser-external/g), null)
  })

  for (const isolated of [true, false]) {
    describe(isolated ? 'served with the headers of isolation' : 'served without them', () => {
      it('tells what Node tells, plainly and drafting, and shows which tokens were drafted', async () => {
        const tab = await openReady({ isolated })
        const prompt = await tab.inputValue('#prompt')
        const [plain, speculative] = [await tell(tab, 'none'), await tell(tab, 'skip')]
        const figures = `${await tab.textContent('#speed')} tokens/s drafting, threads: ${await tab.textContent('#threads')}`
        console.log(`        ${figures}`)
        assert.deepEqual(plain, await tellInNode(prompt, 'none'))
        assert.deepEqual(speculative, await tellInNode(prompt, 'skip'))
        assert.equal(joined(plain), joined(speculative))
        assert.ok(speculative.some(([source]) => source === 'drafted'))
        const colours = await tab.$$eval('#story .drafted, #story .own', (runs) => [
          ...new Set(runs.map((run) => `${run.className} ${getComputedStyle(run).color}`)),
        ])
        assert.equal(new Set(colours.map((colour) => colour.split(' ').slice(1).join(' '))).size, 2, `${colours}`)
        assert.match((await tab.textContent('#accepted'))!, /^[1-9]\d* of [1-9]\d*$/)
        assert.match((await tab.textContent('#speed'))!, /^[1-9]\d*$/)
      })

      it('stops in the round that runs', async () => {
        const tab = await openReady({ isolated })
        await tab.fill('#length', '500')
        const late = await tab.evaluate(
          () =>
            new Promise<number>((resolve) => {
              let [seen, clicked] = [0, false]
              new MutationObserver(() => {
                const tokens = Number(document.querySelector('#tokens')?.textContent)
                if (document.body.dataset['state'] === 'ready') {
                  resolve(tokens - seen)
                } else if (!clicked && tokens >= 8) {
                  seen = tokens
                  clicked = true
                  document.querySelector<HTMLElement>('#stop')?.click()
                }
              }).observe(document.body, { subtree: true, childList: true, attributes: true })
              document.querySelector<HTMLElement>('#tell')?.click()
            }),
        )
        assert.match((await tab.textContent('#status'))!, /^Stopped/)
        assert.ok(late >= 0 && late <= mostInRound, `${late} tokens came after the click`)
      })
    })
  }

  it('runs as many threads as the browser offers, ends them when the model is unloaded, and loads it anew with progress', async function () {
    const tab = await openReady({ isolated: true })
    const cores = await tab.evaluate(() => navigator.hardwareConcurrency)
    skipUnlessPossible(this, cores > 1, 'this machine has one core')
    const threads = Math.min(cores, 8)
    assert.equal(await tab.textContent('#threads'), `${threads}`)
    await started(tab, threads)
    await tell(tab, 'skip')
    const workers = tab.workers()
    assert.equal(workers.length, threads)
    const ended = Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('close', resolve))))
    await tab.click('#load')
    await reach(tab, 'empty')
    await ended
    assert.equal(tab.workers().length, 0)
    assert.equal(await tab.isDisabled('#tell'), true)
    const progress = await tab.evaluate(
      () =>
        new Promise<(string | null | undefined)[]>((resolve) => {
          const shown: (string | null | undefined)[] = []
          new MutationObserver(() => {
            shown.push(document.querySelector('#bytes')?.textContent)
            if (document.body.dataset['state'] === 'ready') resolve(shown)
          }).observe(document.body, { subtree: true, childList: true, attributes: true })
          document.querySelector<HTMLElement>('#load')?.click()
        }),
    )
    assert.ok(progress.includes('21.0 of 21.0 MB'), progress.join())
    await started(tab, threads)
    assert.ok((await tell(tab, 'skip')).length > 1)
    assert.equal(tab.workers().length, threads)
  })

  it('runs one thread where it is not isolated, and says why', async () => {
    const tab = await openReady({ isolated: false })
    assert.equal(tab.workers().length, 0)
    assert.equal(await tab.textContent('#threads'), '1')
    assert.match((await tab.textContent('#device'))!, /1 thread, for the page is not cross-origin isolated \(.*Opener/)
  })

  it('says which file is missing', async () => {
    const tab = await open(built!, { isolated: true, without: /\.safetensors$/ })
    await reach(tab, 'empty')
    assert.equal(await tab.textContent('#error'), 'model.safetensors could not be fetched: the server answered 404')
    assert.equal(await tab.isVisible('#error'), true)
  })

  it('says that the worker is missing, instead of waiting for it', async () => {
    const tab = await open(built!, { isolated: true, without: /worker-.*\.js$/ })
    await reach(tab, 'ready')
    await tab.click('#tell')
    await tab.waitForSelector('#error:not([hidden])')
    assert.match((await tab.textContent('#error'))!, /worker\.js, could not be loaded/)
  })

  it('could name the file of the workers, hears of a thread that breaks down, and opens fifty backends without piling up', async () => {
    const tab = await open(await app!.build('test/web/backend'), { isolated: true })
    await reach(tab, 'ready')
    assert.deepEqual(
      addresses.slice(0, 2).map((url) => new URL(url).search),
      ['?named', '?named'],
    )
    const [product, crash, often] = (await tab.innerText('body')).split('\n')
    assert.equal(product, '21,43')
    assert.equal(often, '50')
    // The last may be about to end; a worker that is ended while it sleeps stays for two seconds.
    assert.ok(tab.workers().length <= 10, `${tab.workers().length} of ${addresses.length} workers are still there`)
    assert.match(crash!, /^BackendCrashedError: .*memory access out of bounds.*open the backend anew/)
  })
})
