// The kernels after a build that minifies: with the plugin of the docs GPU.js gets the texts that this package has.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { viteBuild } from '../../trial/vite-build.ts'

type Kernels = Readonly<Record<string, unknown>>

describe('kernels of GPU.js, built and minified by Vite', function () {
  this.timeout(120_000)
  const dist = new URL('../../../dist/engine/gpujs/kernels/index.js', import.meta.url).href
  const config = fileURLToPath(new URL('kernels.vite.config.ts', import.meta.url))

  async function built(mode: string): Promise<Kernels> {
    const folder = await mkdtemp(join(tmpdir(), 'drafthorse-kernels-'))
    try {
      await viteBuild(['--config', config, '--mode', mode, '--outDir', folder])
      const [file] = await readdir(folder)
      const { kernels } = await import(pathToFileURL(join(folder, file!)).href)
      return kernels
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  it('are those of the package with the plugin, and are not without', async () => {
    const { kernels } = (await import(dist)) as { kernels: Kernels } // not an entry point, so without types
    const [kept, bare] = [await built('kept'), await built('bare')]
    assert.ok(Object.keys(kernels).length > 15)
    for (const [name, kernel] of Object.entries(kernels)) {
      assert.equal(String(kept[name]).trimEnd(), String(kernel))
      assert.ok(String(kernel).startsWith(`function ${name}(`), name)
      assert.ok(!String(bare[name]).startsWith(`function ${name}(`), name)
    }
  })
})
