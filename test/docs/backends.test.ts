// The tables of docs/backends.md, as docs/backends.ts makes them.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const program = fileURLToPath(new URL('../../docs/backends.ts', import.meta.url))
const tables = ['found', 'errors', 'passes', 'speed']

/** What `drafthorse kernels --json` writes, as far as the tables show it. */
function report(backend: string, { q8 }: { q8: boolean }): string {
  const linear = { op: 'linear', cases: 3, skipped: 0, error: 1e-14 }
  const skipped = { op: 'linear', dtype: 'q8_0', cases: 0, skipped: 3 }
  return JSON.stringify({
    backend,
    device: 'a test',
    kind: 'software',
    rowInvariant: true,
    counts: { ok: 3, failed: 0 },
    ops: [{ ...linear, dtype: 'f32' }, q8 ? { ...linear, dtype: 'q8_0' } : skipped, { ...skipped, op: 'embed' }],
  })
}

describe('the tables of docs/backends.md', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-tables-'))
  })
  after(() => rm(folder, { recursive: true }))

  it('say "f32 only" where a backend skips a type that others run, and have no line where all do', async () => {
    const page = join(folder, 'page.md')
    await writeFile(page, tables.map((name) => `<!-- ${name} -->\n<!-- end of ${name} -->\n`).join(''))
    await writeFile(join(folder, 'a.kernels.json'), report('every', { q8: true }))
    await writeFile(join(folder, 'b.kernels.json'), report('some', { q8: false }))
    await promisify(execFile)(process.execPath, ['--import', 'tsx', program, folder, page])
    const text = await readFile(page, 'utf8')
    assert.match(text, /\n\| op \| `every` \| `some` \|\n/)
    assert.match(text, /\n\| linear f32 \| 1\.0e-14 \| 1\.0e-14 \|\n/)
    assert.match(text, /\n\| linear q8_0 \| 1\.0e-14 \| f32 only \|\n/)
    assert.doesNotMatch(text, /embed/)
  })
})
