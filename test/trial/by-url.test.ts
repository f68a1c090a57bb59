// A model that `convert` wrote for TensorFlow.js, loaded in a page by its address, shard by shard.
import assert from 'node:assert/strict'
import { generate, loadModel } from 'drafthorse'
import { convertModel, memorySink } from 'drafthorse/model'
import type { Browser } from 'playwright-core'
import type { Site } from '../../bench/site.ts'
import { skipUnless } from '../skip.ts'
import { launchChromium, missingChromium } from './browser.ts'
import { openPage } from './page.ts'

describe('a model in TensorFlow.js’s own form, loaded in Chromium by its address', function () {
  this.timeout(300_000)
  const asked: string[] = []
  let site: Site | undefined
  let browser: Browser | undefined
  let files: Readonly<Record<string, Uint8Array>>
  before(async function () {
    skipUnless(this, missingChromium() === undefined, missingChromium() ?? '')
    const sink = memorySink('stories')
    await convertModel('stories', sink, { format: 'tfjs', dtype: 'f32' })
    files = sink.files
    site = await openPage({
      given: (path) => {
        asked.push(path)
        return files[path]
      },
    })
    browser = await launchChromium()
  })
  after(async () => {
    await browser?.close()
    await site?.close()
  })

  for (const backend of ['wasm', 'tfjs:cpu']) {
    it(`tells on ${backend} what it tells in Node, having fetched every shard once`, async () => {
      const page = await browser!.newPage()
      await page.goto(`${site!.address}/by-url.html`)
      await page.waitForFunction('globalThis.tellFrom')
      asked.length = 0
      const told = await page.evaluate(([address, name]) => globalThis.tellFrom(address!, name!), ['given/', backend])
      await page.close()
      await using model = await loadModel('stories', { dtype: 'f32' })
      const { tokens } = await generate(model, 'Once upon a time', { maxNewTokens: 12 }).result
      assert.deepEqual(told.tokens, tokens)
      assert.deepEqual(
        told.loaded,
        Array.from({ length: told.total }, (_, i) => i + 1),
      )
      const shards = Object.keys(files).filter((path) => path.endsWith('.bin'))
      assert.ok(shards.length > 3)
      assert.deepEqual(asked.filter((path) => path.endsWith('.bin')).sort(), shards.sort())
    })
  }
})
