// Runs a trial in a headless Chromium, which computes with SwiftShader: WebGL and WebGPU without a graphics card.
import { type Browser, chromium } from 'playwright-core'
import { chromiumPlaces, findChromium, quietFlags } from '../../bench/chromium.ts'
import { openPage } from './page.ts'
import type { Launch } from './remote.ts'
import type { TrialEvent, TrialKey } from './trial.ts'

/** The Vulkan driver of SwiftShader, in the browser's folder. */
const driver = 'vk_swiftshader_icd.json'
const found = findChromium({ beside: driver })

/** Why nothing can run on Chromium or its SwiftShader here, or nothing. */
export function missingChromium(): string | undefined {
  if (found) return undefined
  return `there is no ${chromiumPlaces} with ${driver} beside it: run "apt-get install chromium"`
}

/** What makes Dawn, in a process of its own, find SwiftShader. */
export function swiftShader(scratch: string): Readonly<Record<string, string>> {
  const folder = found?.folder ?? ''
  return { LD_LIBRARY_PATH: folder, VK_ICD_FILENAMES: `${folder}/${driver}`, XDG_RUNTIME_DIR: scratch }
}

const softwareGraphics = [
  '--enable-unsafe-swiftshader',
  '--use-angle=swiftshader',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
]

/** Headless, with more flags. */
export function launchChromium(flags: readonly string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: `${found?.program}`, args: [...quietFlags, ...flags], timeout: 60_000 })
}

export function inBrowser(key: TrialKey): Launch {
  return async ({ tell, gone }) => {
    const page = await openPage()
    let browser: Browser | undefined
    async function close(): Promise<void> {
      await browser?.close()
      await page.close()
    }
    try {
      browser = await launchChromium(softwareGraphics)
      browser.on('disconnected', () => gone('the browser is gone'))
      const tab = await browser.newPage()
      tab.on('crash', () => gone('the page crashed'))
      tab.on('pageerror', (error) => gone(`the page threw ${error.stack ?? error}`))
      await tab.exposeFunction('tellTrial', (event: TrialEvent) => tell(event))
      await tab.goto(`${page.address}/page.html?trial=${encodeURIComponent(key)}`)
    } catch (error) {
      await close()
      throw error
    }
    return close
  }
}
