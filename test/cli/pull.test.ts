// The pull command, in a process of its own, from a hub on this machine; and its line of progress.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { byteMeter } from '../../cli/byte-meter.ts'
import { formatBytes } from '../../model/load/bytes.ts'
import { oracle } from '../checkpoints.ts'
import { content, firstCommit, type Scratch, scratch } from '../hub/pulling.ts'
import { skipUnlessPossible } from '../skip.ts'
import { type Ended, run } from './run.ts'

describe('drafthorse pull', () => {
  let at: Scratch
  beforeEach(async () => {
    at = await scratch()
  })
  afterEach(() => at.close())

  const start = (args: readonly string[], options: Parameters<typeof run>[1] = {}): Promise<Ended> =>
    run(args, {
      ...options,
      env: { HF_HOME: at.folder, HF_HUB_CACHE: '', HF_ENDPOINT: at.hub.endpoint, HF_TOKEN: '', ...options.env },
    })

  it('brings a model that the other commands then load by its name', async () => {
    const files: Record<string, Buffer> = {}
    for (const name of ['config.json', 'model.safetensors'])
      files[name] = await readFile(oracle(`hf/llama2-f32/${name}`))
    at.hub.repositories.set('owner/tiny', { commit: firstCommit, files })
    const pulled = await start(['pull', 'owner/tiny'])
    assert.equal(pulled.stderr, '')
    assert.equal(pulled.code, 0)
    assert.match(
      pulled.stdout,
      /^owner\/tiny at main \(commit aaaaaaaa\): 2 files \(.* kB\), 2 of them \(.* kB\) new\n/,
    )
    assert.match(pulled.stdout, /\n\$ drafthorse generate "Once upon a time" --model owner\/tiny\n$/)
    assert.match((await start(['pull', 'owner/tiny'])).stdout, /, all there before\n/)
    at.hub.seen.length = 0
    const info = await start(['info', 'owner/tiny', '--json'])
    assert.equal(info.code, 0, info.stderr)
    assert.equal(JSON.parse(info.stdout).model.name, 'tiny')
    assert.deepEqual(at.hub.seen, [])
  })

  it('reports as one JSON object', async () => {
    const { code, stdout } = await start(['pull', 'owner/tiny', '--revision', 'v1', '--json'])
    assert.equal(code, 0)
    const report = JSON.parse(stdout)
    assert.equal(report.format, 'drafthorse/pull@1')
    assert.deepEqual([report.repository, report.revision, report.commit], ['owner/tiny', 'v1', firstCommit])
    assert.equal(report.model, report.folder)
    assert.deepEqual(
      report.files.map(({ path, size, cached }: { path: string; size: number; cached: boolean }) => [
        path,
        size,
        cached,
      ]),
      [
        ['config.json', 2, false],
        ['model.safetensors', 300_000, false],
      ],
    )
  })

  it('fails with one line that says what to do, and code 1', async () => {
    for (const [args, message] of [
      [['pull', 'owner/none'], /^error: the listing of owner\/none: .*check the name at .*\n$/],
      [['pull', 'tiny'], /^error: "tiny" is not a name on the hub; expected OWNER\/NAME/],
      [['generate', 'x', '--model', 'owner/none'], /^error: .*bring it by "drafthorse pull owner\/none"\n$/],
    ] as const) {
      const { code, stdout, stderr } = await start(args)
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(stderr, message)
    }
  })

  it('after Ctrl-C ends with code 130, and goes on where it was', async function () {
    skipUnlessPossible(this, process.platform !== 'win32', 'Windows has no SIGINT to send to another process')
    let interrupt = (): void => {}
    at.hub.intercept = ({ at: server }, response) => {
      if (server !== 'store') return false
      response.writeHead(200, { 'content-length': 300_000 })
      response.write(content(300_000).subarray(0, 100_000), () => interrupt())
      return true
    }
    const ended = await start(['pull', 'owner/tiny'], {
      onStart(kill) {
        interrupt = () => kill('SIGINT')
      },
    })
    assert.deepEqual([ended.code, ended.stdout], [130, ''])
    at.hub.intercept = undefined
    assert.equal((await start(['pull', 'owner/tiny'])).code, 0)
    assert.deepEqual(await readFile(join(at.entry, 'snapshots', firstCommit, 'model.safetensors')), content(300_000))
  })

  it('--help shows how to pull a repository, a file, and to use it', async () => {
    const { code, stdout } = await start(['pull', '--help'])
    assert.equal(code, 0)
    assert.match(stdout, /\$ drafthorse pull \S+\/\S+\n/)
    assert.match(stdout, /\$ drafthorse pull \S+\/\S+:\S+\.gguf\n/)
    assert.match(stdout, /HF_TOKEN/)
  })
})

describe('the line of a download', () => {
  it('shows share, bytes, the rate of the last seconds and the time left, not longer than the terminal is wide', () => {
    let now = 0
    const meter = byteMeter(() => now)
    const at = (bytes: number, columns = 120): string | undefined =>
      meter({ path: 'model.safetensors', bytes, total: 4e9 }, columns)
    assert.equal(at(1e9), '[#####---------------] 25 %  1.00 GB of 4.00 GB  model.safetensors')
    now = 50
    assert.equal(at(1.01e9), undefined)
    now = 1000
    assert.equal(at(1.1e9), '[#####---------------] 27 %  1.10 GB of 4.00 GB  100 MB/s  29 s left  model.safetensors')
    assert.equal(at(4e9)?.includes('100 %'), true)
    now = 2000
    assert.equal(at(2e9, 30)?.length, 29)
  })

  it('counts nothing as transferred that was there when a file began', () => {
    let now = 0
    const meter = byteMeter(() => now)
    meter({ path: 'a', bytes: 0, total: 1e9 }, 80)
    now = 1000
    assert.doesNotMatch(meter({ path: 'b', bytes: 9e8, total: 1e9 }, 80) ?? '', /\/s/)
  })

  it('gives bytes three digits', () => {
    assert.deepEqual([0, 1, 999, 1000, 12_345, 999_999, 1_500_000, 2.5e9, 3e15].map(formatBytes), [
      '0 bytes',
      '1 bytes',
      '999 bytes',
      '1.00 kB',
      '12.3 kB',
      '1000 kB',
      '1.50 MB',
      '2.50 GB',
      '3000 TB',
    ])
  })
})
