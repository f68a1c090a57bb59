// `drafthorse kernels`, as it is run: on backends by name, on modules in JavaScript and TypeScript, and on what is neither.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { formatTable } from '../../cli/table.ts'
import { skipUnlessPossible } from '../skip.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const main = join(root, 'dist', 'cli', 'main.js')
const engine = new URL('../../dist/engine/index.js', import.meta.url).href
const reference = new URL('../../dist/engine/reference/index.js', import.meta.url).href
const imports = `import { withOps } from '${engine}'\nimport { reference } from '${reference}'\n`

const wrong = `${imports}
export default withOps(reference, {
  rmsNorm(out, x, { weight, epsilon }) {
    const size = weight.data.length
    for (let i = 0; i < x.data.length; i++) out.data[i] = x.data[i] * weight.data[i % size]
  },
})`

interface Run {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(args: readonly string[], options: { cwd?: string; nodeArgs?: readonly string[] } = {}): ChildProcess {
  const { cwd = root, nodeArgs = [] } = options
  return spawn(process.execPath, [...nodeArgs, main, 'kernels', ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
}

async function end(child: ChildProcess): Promise<Run> {
  const code = new Promise<number | null>((resolve) => child.on('close', resolve))
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!)])
  return { code: await code, stdout, stderr }
}

async function run(...args: string[]): Promise<Run> {
  return end(start(args))
}

describe('drafthorse kernels', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-kernels-'))
  })
  after(() => rm(folder, { recursive: true }))

  /** Writes a module into the folder; returns its path. */
  async function module(name: string, source: string): Promise<string> {
    const path = join(folder, name)
    await writeFile(path, source)
    return path
  }

  it('--json prints one object: the format, the machine, what was found and how fast', async () => {
    const { code, stdout, stderr } = await run('--backend', 'reference', '--op', 'rmsNorm', '--seed', '7', '--json')
    assert.equal(stderr, '')
    assert.equal(code, 0)
    const report = JSON.parse(stdout)
    assert.equal(report.format, 'drafthorse/kernels@1')
    assert.equal(report.backend, 'reference')
    assert.equal(report.seed, 7)
    assert.equal(report.machine.node, process.version)
    assert.deepEqual(report.failures, [])
    assert.equal(report.counts.failed, 0)
    const [rmsNorm, ...others] = report.ops
    assert.deepEqual(others, [])
    assert.equal(rmsNorm.op, 'rmsNorm')
    assert.equal(rmsNorm.rowInvariant, true)
    assert.ok(rmsNorm.error < rmsNorm.limit)
    assert.ok(rmsNorm.speed.oneRow > 0 && rmsNorm.speed.eightRows > 0)
  })

  it('prints a table and the counts, and nothing but that', async () => {
    const { code, stdout, stderr } = await run('--backend', 'reference', '--op', 'swiglu')
    assert.equal(stderr, '')
    assert.equal(code, 0)
    assert.match(stdout, /^reference on .*, row invariance promised: yes\n\nop +weights +cases +error +limit /)
    assert.match(stdout, /\nswiglu +\d+ +\S+e-\d+ +1e-10 +yes +[\d.]+ +[\d.]+ +ok\n/)
    assert.match(stdout, /\n(\d+) cases: \1 ok, 0 failed; seed \d+\n$/)
  })

  it('exits with 1 and names op, shape, place, expected and got when a kernel of a module is wrong', async () => {
    const path = await module('wrong.mjs', wrong)
    const { code, stdout } = await run('--backend', path, '--op', 'rmsNorm')
    assert.equal(code, 1)
    assert.match(stdout, /^reference with rmsNorm replaced on /)
    assert.match(stdout, /\nrmsNorm .* FAILED \d+\n/)
    assert.match(
      stdout,
      /\nFAILED rmsNorm accuracy: \[3, 5\] in runs of 5.*\n {2}out \[3, 5\] first wrong at \[0, 0\]: expected .*, got /,
    )
    const json = await run('--backend', path, '--op', 'rmsNorm', '--json')
    assert.equal(json.code, 1)
    const { failures } = JSON.parse(json.stdout)
    assert.equal(stdout.match(/\nFAILED rmsNorm accuracy: \[/g)?.length, 3)
    assert.ok(stdout.endsWith(`\nFAILED rmsNorm accuracy: ${failures.length - 3} more, which --json lists\n`))
  })

  it('takes other limits with --limit', async () => {
    const path = await module(
      'rough.mjs',
      `${imports}
const { ops } = await reference.open({})
export default withOps(reference, {
  rmsNorm(out, x, options) {
    ops.rmsNorm(out, x, options)
    for (let i = 0; i < out.data.length; i++) out.data[i] *= 1.0001
  },
})`,
    )
    assert.equal((await run('--backend', path, '--op', 'rmsNorm')).code, 1)
    assert.equal((await run('--backend', path, '--op', 'rmsNorm', '--limit', 'rmsNorm=1e-6')).code, 0)
  })

  describe('of one width for products', () => {
    /** The reference backend with these capabilities besides. */
    const having = (more: object): Promise<string> =>
      module(
        'width.mjs',
        `${imports}
export default {
  name: 'width',
  async open(options) {
    const backend = await reference.open(options)
    return { ...backend, capabilities: { ...backend.capabilities, dtypes: ['f32'], ...${JSON.stringify(more)} } }
  },
}`,
      )

    for (const rows of [8, 3]) {
      it(`prints what ${rows} rows cost beside one, where one has a kernel of its own`, async () => {
        const path = await having({ invariance: 'all alike', oneWidth: { rows, inForce: false } })
        const { stdout } = await run('--backend', path, '--op', 'linear')
        const line = new RegExp(
          `\\none width of ${rows} rows for f32 products would cost ([\\d.]+) times one row: [\\d.]+ us instead of [\\d.]+\\n`,
        )
        assert.match(stdout, line)
        const json = await run('--backend', path, '--op', 'linear', '--json')
        const { oneWidth, ops } = JSON.parse(json.stdout)
        const [{ oneRow, atWidth, dtype }, ...others] = oneWidth.costs
        assert.deepEqual({ ...oneWidth, costs: others }, { rows, inForce: false, costs: [], unit: 'microseconds' })
        assert.equal(dtype, 'f32')
        const { speed } = ops.find((op: { op: string; dtype?: string }) => op.op === 'linear' && op.dtype === 'f32')
        assert.equal(oneRow, speed.oneRow)
        if (rows === 8) assert.equal(atWidth, speed.eightRows)
        else assert.ok(atWidth > 0)
      })
    }

    it('prints no figure where it is in force, but that it is', async () => {
      const path = await having({ invariance: 'found it', oneWidth: { rows: 6, inForce: true } })
      const { stdout } = await run('--backend', path, '--op', 'linear')
      assert.match(
        stdout,
        /\none width of 6 rows is in force: 1 row takes as long, and there is nothing to compare it with\n/,
      )
      assert.doesNotMatch(stdout, /would cost/)
      const json = await run('--backend', path, '--op', 'linear', '--json')
      const expected = { rows: 6, inForce: true, costs: [], unit: 'microseconds' }
      assert.deepEqual(JSON.parse(json.stdout).oneWidth, expected)
    })

    it('prints nothing where the backend says nothing of it', async () => {
      const path = await having({ invariance: 'all alike' })
      const { stdout } = await run('--backend', path, '--op', 'linear')
      assert.match(stdout, /\nfound when it was opened: all alike\n/)
      assert.doesNotMatch(stdout, /one width/)
      const json = await run('--backend', path, '--op', 'linear', '--json')
      assert.equal('oneWidth' in JSON.parse(json.stdout), false)
    })
  })

  it('takes a module that exports "backend" instead of a default', async () => {
    const path = await module('named.mjs', `${imports}export const backend = withOps(reference, {})`)
    const { code } = await run('--backend', path, '--op', 'copyKV')
    assert.equal(code, 0)
  })

  it("runs the example, a student's kernel in TypeScript", async () => {
    const { code, stdout, stderr } = await run('--backend', './examples/kernels/my-rms-norm.ts', '--op', 'rmsNorm')
    assert.equal(stderr, '')
    assert.equal(code, 0)
    assert.match(stdout, /^reference with rmsNorm replaced on /)
  })

  it('says how to get TypeScript to run where it does not', async () => {
    await module('mine.ts', 'export default 1')
    // What Node strips types by default has a flag that says not to.
    const flag = ['--no-strip-types', '--no-experimental-strip-types'].find((name) =>
      process.allowedNodeEnvironmentFlags.has(name),
    )
    const stripping = (process.features as { typescript?: unknown }).typescript
    const child = start(['--backend', './mine.ts'], { cwd: folder, nodeArgs: stripping && flag ? [flag] : [] })
    const { code, stderr } = await end(child)
    assert.equal(code, 1)
    assert.match(
      stderr,
      /^error: \.\/mine\.ts is TypeScript, which Node \S+ does not run: update Node to 22\.18 or later, or run "npm install tsx"/,
    )
  })

  const bad: readonly { what: string; args: () => Promise<string[]>; says: RegExp }[] = [
    {
      what: 'a module without a backend',
      args: async () => ['--backend', await module('none.mjs', 'export const rmsNorm = 1\nexport default {}')],
      says: /none\.mjs exports default, rmsNorm; expected a BackendModule as its default export/,
    },
    {
      what: 'a module that exports nothing',
      args: async () => ['--backend', await module('nothing.mjs', '')],
      says: /nothing\.mjs exports nothing; expected a BackendModule/,
    },
    {
      what: 'a module with a syntax error',
      args: async () => ['--backend', await module('broken.mjs', 'export default {')],
      says: /broken\.mjs could not be loaded: /,
    },
    {
      what: 'a module that is not there',
      args: async () => ['--backend', './missing.mjs'],
      says: /there is no file .*missing\.mjs/,
    },
    {
      what: 'a backend that cannot run here',
      args: async () => [
        '--backend',
        await module('away.mjs', `${imports}export default { ...reference, unavailable: async () => 'no such chip' }`),
      ],
      says: /the reference backend cannot run here: no such chip/,
    },
    {
      what: 'a backend that there is not',
      args: async () => ['--backend', 'abacus'],
      says: /there is no backend "abacus"; there is .*reference/,
    },
    {
      what: 'an op that there is not, and lists those that there are',
      args: async () => ['--backend', 'reference', '--op', 'softmax'],
      says: /there is no op "softmax"; there are cases of embed, rmsNorm, .*select, memory, model/,
    },
    {
      what: 'a seed that is no number',
      args: async () => ['--seed', 'x'],
      says: /--seed is "x", expected a whole number/,
    },
    {
      what: 'a limit that is none',
      args: async () => ['--limit', 'rmsNorm'],
      says: /--limit is "rmsNorm", expected something like rmsNorm=1e-6/,
    },
  ]
  for (const { what, args, says } of bad) {
    it(`refuses ${what}`, async () => {
      const { code, stdout, stderr } = await run(...(await args()))
      assert.match(stderr, says)
      assert.match(stderr, /^error: .*\n$/)
      assert.equal(stdout, '')
      assert.equal(code, 1)
    })
  }

  it('ends cleanly with code 130 on Ctrl-C', async function () {
    skipUnlessPossible(this, process.platform !== 'win32', 'Windows has no SIGINT to send to another process')
    const path = await module(
      'slow.mjs',
      `${imports}
const { ops } = await reference.open({})
export default withOps(reference, {
  rmsNorm(...args) {
    process.stderr.write('called ')
    return ops.rmsNorm(...args)
  },
})`,
    )
    const child = start(['--backend', path])
    child.stderr!.once('data', () => child.kill('SIGINT'))
    const { code, stdout, stderr } = await end(child)
    assert.equal(code, 130)
    assert.equal(stdout, '')
    assert.match(stderr, /stopped after \d+ cases, 0 of which failed\n$/)
  })

  it('--help shows two examples', async () => {
    const { code, stdout } = await run('--help')
    assert.equal(code, 0)
    assert.equal(stdout.match(/\$ drafthorse kernels --backend /g)?.length, 2)
  })
})

describe('a text table', () => {
  it('makes columns as wide as what stands in them, figures to the right, no spaces at the end of lines', () => {
    const columns = [{ title: 'op' }, { title: 'us', align: 'right' }, { title: 'note' }] as const
    assert.equal(
      formatTable(columns, [['attention', '7', ''], ['rope', '1234', 'two\nlines'], ['\u001b[32mok\u001b[39m']]),
      [
        'op           us  note',
        '---------  ----  -----',
        'attention     7',
        'rope       1234  two',
        '                 lines',
        '\u001b[32mok\u001b[39m',
      ].join('\n'),
    )
  })

  it('without rows is its titles', () => {
    assert.equal(formatTable([{ title: 'a' }, { title: 'bc' }], []), 'a  bc\n-  --')
  })
})
