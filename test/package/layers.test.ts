// The shape of the sources: imports point one way, Node stays at the edges, a file has one purpose and says which.
import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { projectFiles, read } from './files.ts'

/** Lowest first: a layer imports itself and those before it. `index` is the root's index.ts. */
const layers = ['engine', 'model', 'decode', 'search', 'index', 'bench', 'web', 'cli']

/** The only sources that may import `node:` modules: the command line, the build, and what is for Node alone. */
const nodeAllowed = [
  /^cli\//,
  /^bench\//,
  /^model\/load\/files-node\.ts$/,
  /^model\/confined\/(platform|within|template-child)-node\.ts$/,
  /^engine\/tfjs\/platform-node\.ts$/,
  /^engine\/wasm\/(platform|worker)-node\.ts$/,
  /^engine\/wasm\/kernels\/build\.mjs$/,
]

/** Sources that may be longer than `maxLines`, each with the reason. */
const maxLines = 300
const longer: Record<string, string> = {}

const code = projectFiles().filter((path) => /\.(c|m)?[jt]s$/.test(path))
const sources = code.filter((path) => layers.includes(layerOf(path)))

function layerOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : path.replace(/\.ts$/, '')
}

/** What a source imports, types included, as written. */
function importsOf(path: string): string[] {
  const text = read(path)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
  const forms = [
    /^\s*(?:import|export)\b[^'"();]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    /\b(?:import|require)\s*\(\s*['"]([^'"]+)['"]/g,
  ]
  return forms.flatMap((form) => [...text.matchAll(form)].map((match) => match[1] ?? ''))
}

describe('layers', () => {
  it('has sources to look at', () => {
    assert.ok(sources.length > 0)
    assert.ok(sources.some((path) => importsOf(path).length > 0))
  })

  it('imports point one way: cli, web, bench -> search -> decode -> model -> engine', () => {
    const wrong: string[] = []
    for (const path of sources) {
      for (const target of importsOf(path).filter((name) => name.startsWith('.'))) {
        const resolved = posix.join(posix.dirname(path), target)
        const [from, to] = [layers.indexOf(layerOf(path)), layers.indexOf(layerOf(resolved))]
        if (to === -1 || to > from) wrong.push(`${path} imports ${resolved}`)
      }
    }
    assert.deepEqual(wrong, [])
  })

  it('no source imports the package by its own name, but the page does, and knows nothing else of this repository', () => {
    const byName = (name: string): boolean => /^drafthorse(\/|$)/.test(name)
    const outside = (path: string, name: string): boolean => layerOf(posix.join(posix.dirname(path), name)) !== 'web'
    const wrong = sources.flatMap((path) =>
      importsOf(path)
        .filter((name) => (layerOf(path) === 'web' ? name.startsWith('.') && outside(path, name) : byName(name)))
        .map((name) => `${path} imports ${name}`),
    )
    assert.deepEqual(wrong, [])
  })

  it('node: modules are imported only where Node is sure to be', () => {
    const wrong = sources
      .filter((path) => !nodeAllowed.some((allowed) => allowed.test(path)))
      .flatMap((path) => importsOf(path).map((name) => `${path} imports ${name}`))
      .filter((line) => line.includes(' imports node:'))
    assert.deepEqual(wrong, [])
  })

  it('no file or folder has a name that says nothing', () => {
    const empty = /^(utils?|common|helpers?|misc|lib|shared|stuff)$/i
    const wrong = projectFiles().filter((path) => path.split('/').some((part) => empty.test(part.replace(/\..*$/, ''))))
    assert.deepEqual(wrong, [])
  })

  it(`no source is longer than ${maxLines} lines, but for those listed with a reason`, () => {
    const lines = (path: string) => read(path).split('\n').length - 1
    const wrong = sources.filter((path) => !(path in longer) && lines(path) > maxLines)
    assert.deepEqual(
      wrong.map((path) => `${path}: ${lines(path)} lines`),
      [],
    )
    for (const path of Object.keys(longer)) {
      assert.ok(sources.includes(path) && lines(path) > maxLines, `${path} needs no place in the list`)
    }
  })

  it('every source and test begins with a comment that says its purpose', () => {
    const wrong = code.filter((path) => !/^(#!.*\r?\n)?\/\/ \S/.test(read(path)))
    assert.deepEqual(wrong, [])
  })
})
