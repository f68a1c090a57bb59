// The published entry points: each exists with its types, can be imported, and can be required on every Node that allows it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { peerNode } from '../peers/node.ts'
import { skipUnless } from '../skip.ts'
import { readJson, root } from './files.ts'

interface Entry {
  /** `drafthorse` or `drafthorse/engine`. */
  name: string
  files: { types: string; default: string }
}

/** The entry points of package.json that are modules; `./engine/*` stands for every folder or file that it matches. */
function entries(): Entry[] {
  const { name, exports } = readJson('package.json')
  return Object.entries<string | Entry['files']>(exports).flatMap(([subpath, files]) => {
    if (typeof files === 'string') return []
    return expand(files).map(({ matched, ...expanded }) => ({
      name: (name + subpath.slice(1)).replace('*', matched),
      files: expanded,
    }))
  })
}

function expand(files: Entry['files']): (Entry['files'] & { matched: string })[] {
  const [before, after] = files.default.split('*')
  if (before === undefined || after === undefined) return [{ ...files, matched: '' }]
  return readdirSync(join(root, before))
    .map((item) => (item.endsWith(after) ? item.slice(0, -after.length) : item))
    .filter((matched) => existsSync(join(root, `${before}${matched}${after}`)))
    .map((matched) => ({
      types: files.types.replace('*', matched),
      default: files.default.replace('*', matched),
      matched,
    }))
}

const names = entries().map((entry) => entry.name)

function run(node: string, args: string[]): void {
  const result = spawnSync(node, args, { cwd: root, encoding: 'utf8' })
  assert.equal(result.status, 0, result.stderr)
}

describe('exports', () => {
  for (const { name, files } of entries()) {
    it(`${name} is built, with types`, () => {
      for (const path of [files.default, files.types]) assert.ok(existsSync(join(root, path)), `${path} is missing`)
    })
  }

  it('every file named in "imports" and "bin" is built', () => {
    const { imports, bin } = readJson('package.json')
    const targets = [
      ...Object.values(imports).flatMap((target) => Object.values(target as object)),
      ...Object.values(bin),
    ]
    for (const path of targets) assert.ok(existsSync(join(root, String(path))), `${path} is missing`)
  })

  it('the names of the public interface are exported from the root', () => {
    const wanted = ['openBackend', 'loadModel', 'generate', 'listBackends', 'ShapeError', 'ModelFormatError']
    run(process.execPath, [
      '--input-type=module',
      '-e',
      `const root = await import('drafthorse')
       const missing = ${JSON.stringify(wanted)}.filter((name) => typeof root[name] !== 'function')
       if (missing.length > 0) throw new Error('missing: ' + missing)`,
    ])
  })

  for (const major of ['running', 22, 24] as const) {
    const title = major === 'running' ? `the running Node ${process.versions.node}` : `Node ${major}`
    describe(`on ${title}`, () => {
      function node(context: Mocha.Context): string {
        const path = major === 'running' ? process.execPath : peerNode(major)
        skipUnless(context, path, `no Node ${major} in test/peers for ${process.platform}-${process.arch}`)
        return path
      }

      it('every entry point can be imported', function () {
        const code = `for (const name of ${JSON.stringify(names)}) await import(name)`
        run(node(this), ['--input-type=module', '-e', code])
      })

      it('every entry point can be required: no top-level await', function () {
        run(node(this), ['-e', `for (const name of ${JSON.stringify(names)}) require(name)`])
      })
    })
  }
})
