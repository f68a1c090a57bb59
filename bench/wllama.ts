// wllama, which is llama.cpp compiled to WebAssembly, and our wasm backend, in one page of a headless Chromium: the peer
// that plain decoding in browsers is measured against. The packages are loaded when asked for.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, BrowserType } from 'playwright-core'
import type { WeightDType } from '../engine/dtype.ts'
import { BackendCrashedError, BackendUnavailableError, ModelFormatError } from '../engine/errors.ts'
import { createTurn } from '../engine/turn.ts'
import { openCheckpoint } from '../model/load/checkpoint.ts'
import { type Chromium, chromiumPlaces, findChromium, quietFlags } from './chromium.ts'
import { ownFolder, packageFolder } from './optional-package.ts'
import type { PeerSide, PeerSides } from './peers.ts'
import { fromFolder, isolation, type Site, serve } from './site.ts'
import type { OpenedModel } from './wllama-page.ts'

export interface BesideWllama extends PeerSides {
  /** The browser, by name and version. */
  readonly browser: string
  /** wllama's version, and that of its llama.cpp. */
  readonly system: string
  readonly model: OpenedModel
  dispose(): Promise<void>
}

export interface WllamaOptions {
  readonly threads: readonly number[]
  /** The type in which our matrices run. */
  readonly dtype?: WeightDType | undefined
  /** Tokens that wllama has room for. */
  readonly contextSize: number
  readonly signal?: AbortSignal | undefined
  /** Told of each engine that is ready. */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * Loads a GGUF file into both engines, once for each number of threads. Throws {@link BackendUnavailableError} that says
 * what to install, {@link ModelFormatError} or {@link NotFoundError} for a file that is none, {@link BackendCrashedError}
 * where the page fails, and {@link AbortError}; nothing is left running then.
 */
export async function openWllama(path: string, options: WllamaOptions): Promise<BesideWllama> {
  const wllama = packageFolder('@wllama/wllama')
  const playwright = packageFolder('playwright-core')
  const program = findChromium()
  if (!program) {
    throw new BackendUnavailableError(
      `there is no ${chromiumPlaces}: install it, on Debian by "apt-get install chromium"`,
    )
  }
  await checkFile(path)
  const site = await servePage(wllama)
  const closing = [() => site.close()]
  async function dispose(): Promise<void> {
    for (const close of closing.splice(0).reverse()) await close()
  }
  try {
    const browser = await launch(playwright, program)
    closing.push(() => browser.close())
    const system = `wllama ${await versionOf(wllama)}`
    return { ...(await openSides(browser, { ...options, path, site, system })), dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** What is wrong with the file is said before a browser starts. */
async function checkFile(path: string): Promise<void> {
  const { tokenizer, close } = await openCheckpoint(path)
  await close()
  if (tokenizer) return
  throw new ModelFormatError(`${path} has no tokenizer, and wllama takes text alone: use a file with one`)
}

async function versionOf(folder: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string } // npm's
  return version
}

async function launch(playwright: string, { program }: Chromium): Promise<Browser> {
  const file = join(playwright, 'index.mjs')
  const { chromium } = (await import(pathToFileURL(file).href)) as { chromium: BrowserType } // an optional package
  try {
    // Ctrl-C is for us to hear, who then close it.
    return await chromium.launch({ executablePath: program, args: [...quietFlags], handleSIGINT: false })
  } catch (cause) {
    throw new BackendUnavailableError(`${program} does not start: ${firstLine(cause)}`, { cause })
  }
}

/** The package as it is installed, with the import map that a browser needs where no bundler was at work. */
async function servePage(wllama: string): Promise<Site> {
  const manifest = JSON.parse(await readFile(join(ownFolder, 'package.json'), 'utf8')) as {
    imports: Readonly<Record<string, { readonly browser: string }>> // this package's own
  }
  const imports = Object.entries(manifest.imports).map(([name, { browser }]) => [name, browser] as const)
  const tokenizers = '@huggingface/tokenizers'
  const map = { imports: Object.fromEntries([...imports, [tokenizers, '/tokenizers.mjs']]) }
  const html = `<!doctype html>
<meta charset="utf-8">
<title>Drafthorse beside wllama</title>
<link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify(map)}</script>
<input type="file">
<script type="module" src="/dist/bench/wllama-page.js"></script>
`
  const require = createRequire(import.meta.url) // finds the form for CommonJS, beside which the other is
  const own = fromFolder(ownFolder)
  const theirs = fromFolder(join(wllama, 'esm'))
  return serve(async (path) => {
    if (path === 'index.html') return html
    if (path === 'tokenizers.mjs') return readFile(join(dirname(require.resolve(tokenizers)), path))
    if (path.startsWith('dist/')) return own(path)
    if (path.startsWith('wllama/')) return theirs(path.slice('wllama/'.length))
    throw new Error(`${path} is not served`)
  }, isolation)
}

type Opened = Omit<BesideWllama, 'dispose'>

async function openSides(
  browser: Browser,
  options: WllamaOptions & { readonly path: string; readonly site: Site; readonly system: string },
): Promise<Opened> {
  const { path, site, system, dtype, contextSize, signal, onProgress } = options
  const turn = createTurn(signal)
  signal?.addEventListener('abort', () => void browser.close().catch(() => {}), { once: true })

  /** What goes on in a browser ends with an error where that is closed, as an abort does. */
  async function inBrowser<R>(work: () => Promise<R>): Promise<R> {
    await turn()
    try {
      return await work()
    } catch (cause) {
      await turn()
      throw new BackendCrashedError(`the page in Chromium failed: ${firstLine(cause)}`, { cause })
    }
  }

  const page = await inBrowser(() => browser.newPage())
  const session = await inBrowser(() => browser.newBrowserCDPSession())
  await inBrowser(async () => {
    const missing: string[] = []
    page.on('response', (response) => void (response.ok() || missing.push(response.url())))
    await page.goto(site.address)
    if (missing.length > 0) throw new Error(`there is no ${missing}`)
    await page.setInputFiles('input', resolve(path))
  })
  const counts = [...new Set(options.threads)]
  const models: OpenedModel[] = []
  let llamaCpp = ''
  for (const [i, threads] of counts.entries()) {
    const model = await inBrowser(() =>
      page.evaluate((options) => globalThis.peersPage.openOurs(options), { threads, dtype }),
    )
    checkThreads('drafthorse', threads, model.backend.capabilities.threads)
    models.push(model)
    onProgress?.(2 * i + 1, 2 * counts.length)
    const peer = await inBrowser(() =>
      page.evaluate((options) => globalThis.peersPage.openWllama(options), { threads, contextSize }),
    )
    checkThreads('wllama', threads, peer.threads)
    llamaCpp = peer.llamaCpp
    onProgress?.(2 * i + 2, 2 * counts.length)
  }
  const sides = (engine: string): PeerSide[] =>
    counts.map((threads) => ({
      engine,
      threads,
      decode: (prompt, { maxNewTokens }) =>
        inBrowser(() =>
          page.evaluate((task) => globalThis.peersPage.decode(task), { engine, threads, prompt, maxNewTokens }),
        ),
    }))
  return {
    ours: sides('drafthorse'),
    theirs: sides('wllama'),
    async helpers() {
      const { processInfo } = await inBrowser(() => session.send('SystemInfo.getProcessInfo'))
      return processInfo.reduce((sum, { cpuTime }) => sum + 1000 * cpuTime, 0) // of the browser's processes, seconds
    },
    browser: `Chromium ${browser.version()}`,
    system: `${system}, llama.cpp ${llamaCpp}`,
    model: models[0]!,
  }
}

/** Throws {@link BackendUnavailableError} where an engine has other threads than it was asked for. */
function checkThreads(engine: string, asked: number, got: number): void {
  if (got === asked) return
  throw new BackendUnavailableError(
    `${engine} runs ${got} threads in this browser, not ${asked}: leave ${asked} out of --threads`,
  )
}

/** What Playwright says of an error, without the stack that it adds. */
function firstLine(error: unknown): string {
  return `${error instanceof Error ? error.message : error}`.split('\n')[0]!.replace(/^\w+\.\w+: /, '')
}
