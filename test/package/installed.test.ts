// The package as a user gets it: packed, installed into an empty folder without scripts, small, complete and working.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { lstatSync, mkdtempSync, readdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { skipUnless } from '../skip.ts'
import { readJson, root } from './files.ts'
import { installPacked } from './install.ts'

const maxBytes = 15e6

/** Bytes of all files below a folder, without those of `except`. */
function sizeOf(folder: string, except?: string): number {
  let bytes = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (path === except) continue
    bytes += entry.isDirectory() ? sizeOf(path, except) : lstatSync(path).size
  }
  return bytes
}

describe('installed package', function () {
  this.timeout(300_000)
  let folder = ''
  let packed: readonly string[] = []
  let app = ''
  let installed = ''

  before(function () {
    folder = mkdtempSync(join(tmpdir(), 'drafthorse-'))
    const result = installPacked(folder)
    skipUnless(this, !result.failure, `${result.failure}`)
    packed = result.packed
    app = result.app
    installed = result.installed
  })

  after(() => {
    if (folder) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  })

  it('is packed with its licence, notices, readme, code and embedded model, and without tests', () => {
    const wanted = [
      'LICENSE',
      'NOTICE.md',
      'README.md',
      'CHANGELOG.md',
      'package.json',
      'dist/index.js',
      'dist/index.d.ts',
    ]
    assert.deepEqual(
      wanted.filter((path) => !packed.includes(path)),
      [],
    )
    assert.ok(
      packed.some((path) => /^models\/stories\/.*\.(safetensors|gguf|bin)$/.test(path)),
      'no model',
    )
    const stray = packed.filter((path) =>
      /^(?:dist\/)?(?:test|\.ci|\.github|\.tmp|docs)\/|\.test\.|\.tsbuildinfo$/.test(path),
    )
    assert.deepEqual(stray, [])
  })

  it(`takes less than ${maxBytes / 1e6} MB without the embedded model, dependencies included`, () => {
    const bytes = sizeOf(join(app, 'node_modules'), join(installed, 'models'))
    console.log(`      installed size: ${(bytes / 1e6).toFixed(2)} MB without models/`)
    assert.ok(bytes < maxBytes, `${bytes} bytes`)
  })

  it("loadModel('stories') finds the embedded model from any folder, and it generates", () => {
    const script = join(app, 'probe.js')
    writeFileSync(
      script,
      `import { generate, loadModel } from 'drafthorse'
       const model = await loadModel('stories')
       const { tokens } = await generate(model, 'Once upon a time', { maxNewTokens: 4 }).result
       await model.dispose()
       console.log(JSON.stringify(tokens))`,
    )
    const result = spawnSync(process.execPath, [script], { cwd: tmpdir(), encoding: 'utf8' })
    assert.equal(result.status, 0, result.stderr)
    assert.equal(JSON.parse(result.stdout).length, 4)
  })

  it('the command runs from the installed place', () => {
    const command = join(installed, readJson('package.json').bin.drafthorse)
    const result = spawnSync(process.execPath, [command, '--version'], { cwd: tmpdir(), encoding: 'utf8' })
    assert.equal(result.status, 0, result.stderr)
    assert.equal(result.stdout.trim(), readJson('package.json').version)
  })

  it('pull says which package it needs', () => {
    const command = join(installed, readJson('package.json').bin.drafthorse)
    const env = { ...process.env, HF_HOME: folder, HF_ENDPOINT: 'http://127.0.0.1:9', HF_HUB_OFFLINE: '' }
    const result = spawnSync(process.execPath, [command, 'pull', 'owner/name'], { cwd: folder, encoding: 'utf8', env })
    assert.equal(result.status, 1)
    assert.match(result.stderr, /^error: pulling needs the package @huggingface\/hub.*"npm install @huggingface\/hub"/)
  })

  it('pages say which package they need, and find it in the project', () => {
    const place = join(installed, 'dist/cli/report/chart-scripts.js')
    const program = `
      const { chartScripts } = await import(${JSON.stringify(pathToFileURL(place).href)})
      const { library, drawing } = await chartScripts().catch(({ message }) => ({ library: message, drawing: '' }))
      console.log(JSON.stringify([library.slice(0, 100), library.length, drawing.length]))`
    const load = (): [string, number, number] => {
      const args = ['--input-type=module', '--eval', program]
      const result = spawnSync(process.execPath, args, { cwd: app, encoding: 'utf8' })
      assert.equal(result.status, 0, result.stderr)
      return JSON.parse(result.stdout)
    }
    assert.match(load()[0], /^pages with charts need the package chart\.js: run "npm install chart\.js"$/)
    const link = join(app, 'node_modules/chart.js')
    symlinkSync(join(root, 'node_modules/chart.js'), link, 'junction')
    try {
      const [beginning, library, drawing] = load()
      assert.match(beginning, /^\/\*!\nChart\.js\n\nThe MIT License/)
      assert.ok(library > 100_000 && drawing > 1000)
    } finally {
      unlinkSync(link)
    }
  })

  for (const resolution of ['nodenext', 'bundler'] as const) {
    it(`its types compile in a strict project with moduleResolution ${resolution}`, () => {
      const subpaths = Object.keys(readJson('package.json').exports).filter((path) => !/\.json$|\*/.test(path))
      const lines = subpaths.map((path, i) => `export * as entry${i} from 'drafthorse${path.slice(1)}'`)
      writeFileSync(join(app, 'consumer.ts'), lines.join('\n'))
      const compilerOptions = {
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        target: 'es2022',
        module: resolution === 'nodenext' ? 'nodenext' : 'esnext',
        moduleResolution: resolution,
        lib: ['es2023', 'esnext.disposable', 'dom'],
        types: [],
      }
      writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }))
      const tsc = join(root, 'node_modules/typescript/bin/tsc')
      const result = spawnSync(process.execPath, [tsc, '-p', app], { encoding: 'utf8' })
      assert.equal(result.status, 0, result.stdout)
    })
  }
})
