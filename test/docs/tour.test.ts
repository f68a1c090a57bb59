// docs/tour.md beside the code: what it names is there. Its quotations, links and examples are held by docs.test.ts.
import assert from 'node:assert/strict'
import { projectFiles, read } from '../package/files.ts'
import { blocksOf } from './markdown.ts'

const tour = read('docs/tour.md')
const files = projectFiles()

/** What stands in backticks on a line. */
function namesIn(line: string): string[] {
  return [...line.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
}

/** The rows of the first table below a heading, without its head. */
function tableBelow(heading: string): string[][] {
  const [, below = ''] = tour.split(`\n${heading}\n`)
  const [table = ''] = /(^\|.*\n)+/m.exec(below) ?? []
  const rows = table.trimEnd().split('\n').slice(2)
  return rows.map((row) => row.split('|').slice(1, -1))
}

describe('the tour', () => {
  it('names only files that are there', () => {
    const named = [...tour.matchAll(/\b((?:engine|model|decode|cli|test|examples)\/[\w./-]*\w\.\w+)/g)].map(
      ([path]) => path,
    )
    assert.ok(named.length > 20)
    assert.deepEqual(
      named.filter((path) => !files.includes(path)),
      [],
    )
  })

  it('leads to every policy, every draft and every way of accepting that the package has', () => {
    const exported = /^export \{[^}]*\} from '\.\/((?:accept|draft|draft-length)\/[\w-]+\.ts)'/gm
    const open = [...read('decode/index.ts').matchAll(exported)].map(([, part]) => part)
    const planned = [...read('decode/accept/plan.ts').matchAll(/^import \{ accept.* from '\.\/([\w-]+\.ts)'/gm)]
    const parts = [...open, ...planned.map(([, part]) => `accept/${part}`)]
    assert.ok(parts.includes('accept/rejection.ts') && parts.includes('draft-length/adaptive.ts'))
    assert.deepEqual(
      parts.filter((part) => !tour.includes(`(../decode/${part})`)),
      [],
    )
  })

  it('quotes sources', () => {
    const quoted = new Set(blocksOf(tour).flatMap(({ info }) => /^from=(\S+)/.exec(info)?.[1] ?? []))
    assert.ok(quoted.size >= 10, [...quoted].join())
  })

  it('has a glossary whose names for what is here are in the code', () => {
    const code = files
      .filter((path) => /^(model|decode)\/.*\.ts$/.test(path))
      .map(read)
      .join('\n')
    const names = tableBelow('## Glossary').flatMap(([, here = '']) => namesIn(here))
    assert.ok(names.length >= 15)
    for (const name of names) assert.match(code, new RegExp(`\\b${name.replaceAll('.', '\\.')}\\b`), name)
  })
})
