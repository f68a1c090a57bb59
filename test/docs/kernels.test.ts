// docs/kernels.md beside the code: its parts are the example, and each mistake that it names is found where it says. Its
// commands, what they print, and what it proves in the end are held by docs.test.ts.
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type CaseSubject, caseSubjects, checkBackend } from 'drafthorse/conformance'
import { openBackend } from 'drafthorse/engine'
import { read, root } from '../package/files.ts'
import { blocksOf } from './markdown.ts'

const page = read('docs/kernels.md')
const parts = blocksOf(page).filter(({ info }) => info === 'file=mine.ts')
const whole = parts.map(({ text }) => `${text}\n`).join('\n')

/** The rows of the table of mistakes. */
function mistakes(): { right: string; wrong: string; op: CaseSubject; failure: string }[] {
  const rows = [...page.matchAll(/^\| `(.+)` \| `(.+)` \| `(.+)` \| (.+) \|$/gm)]
  return rows.map(([, right = '', wrong = '', op, failure = '']) => {
    const subject = caseSubjects.find((known) => known === op)
    assert.ok(subject, `there are no cases of ${op}`)
    return { right, wrong, op: subject, failure }
  })
}

describe('the page that builds a backend', () => {
  // Below the package, so that a module there finds it by its name.
  const folder = join(root, '.tmp', 'mistakes')
  before(() => mkdirSync(folder, { recursive: true }))
  after(() => rmSync(folder, { recursive: true }))

  it('has parts that are together the example, in at most 300 lines', () => {
    assert.ok(parts.length >= 10)
    assert.equal(whole, read('examples/kernels/my-backend.ts'))
    assert.ok(whole.split('\n').length <= 301)
  })

  it('needs nothing of the package but what drafthorse/engine exports', () => {
    assert.deepEqual(
      [...whole.matchAll(/\bfrom '(.+)'/g)].map(([, name]) => name),
      ['drafthorse/engine'],
    )
  })

  it('names several mistakes', () => {
    assert.ok(mistakes().length >= 8)
  })

  for (const [i, { right, wrong, op, failure }] of mistakes().entries()) {
    it(`is right that ${wrong} for ${right} fails a case of ${op}`, async () => {
      assert.equal(whole.split(right).length, 2, 'it stands in one place')
      const file = join(folder, `mistake-${i}.ts`)
      writeFileSync(
        file,
        whole.replace(right, () => wrong),
      )
      const backend = await openBackend((await import(pathToFileURL(file).href)).default)
      const { failures } = await checkBackend(backend, { ops: [op] })
      const found = failures.find(({ name }) => name.startsWith(failure))
      assert.ok(found, failures.map(({ name }) => name).join('\n'))
      // What only shows in the bits is found by nothing else.
      if (found.kind === 'invariance') assert.ok(failures.every(({ kind }) => kind === 'invariance'))
      await backend.dispose()
    })
  }
})
