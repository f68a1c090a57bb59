// `drafthorse convert` as a user meets it.
import assert from 'node:assert/strict'
import { watch } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { skipUnlessPossible } from '../skip.ts'
import { run } from './run.ts'

describe('drafthorse convert', () => {
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('writes a GGUF file that tells the same story', async () => {
    const file = join(folder, 'stories.gguf')
    const { code, stdout, stderr } = await run(['convert', 'stories', file])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^wrote .*stories\.gguf \(gguf\): tensors 85 as bf16, 25 as f32\n$/)
    const options = ['--max-new-tokens', '20', '--draft', 'none', '--dtype', 'bf16']
    const [first, second] = [
      await run(['generate', 'Once upon', ...options]),
      await run(['generate', 'Once upon', '--model', file, ...options]),
    ]
    assert.equal(second.stdout, first.stdout)
    assert.match((await run(['info', file])).stdout, /stored as bf16, f32; run as bf16, f32/)
  })

  it('reports as one JSON object, cuts files to size, and replaces a model when told to', async () => {
    const out = join(folder, 'small')
    for (const more of [[], ['--force']]) {
      const args = ['convert', 'stories', out, '--dtype', 'f16', '--shard-size', '8', '--json', ...more]
      const { code, stdout } = await run(args)
      assert.equal(code, 0)
      assert.deepEqual(JSON.parse(stdout), {
        format: 'drafthorse/conversion@1',
        source: 'stories',
        output: out,
        name: 'small',
        from: 'safetensors',
        to: 'safetensors',
        written: { f16: 110 },
        hasTokenizer: true,
      })
    }
    assert.ok((await readdir(out)).includes('model-00003-of-00003.safetensors'))
    assert.deepEqual(await readdir(folder), ['small'])
  })

  it('says how it is used', async () => {
    const { code, stdout } = await run(['convert', '--help'])
    assert.equal(code, 0)
    assert.match(stdout, /Examples:\n {2}\$ drafthorse convert stories stories\.gguf --dtype q8_0/)
    assert.match(stdout, /tfjs f32, f16, uint16, uint8/)
  })

  /** Converts to x.gguf in the folder, and sends a signal in the middle: the draft is there. */
  async function ended(signal: NodeJS.Signals) {
    const began = new AbortController()
    const result = await run(['convert', 'stories', join(folder, 'x.gguf'), '--dtype', 'q4_0'], {
      onStart(kill) {
        watch(folder, { signal: began.signal }, () => {
          if (began.signal.aborted) return
          began.abort()
          kill(signal)
        })
      },
    })
    assert.ok(began.signal.aborted)
    return result
  }

  // Killed by a signal, a process has no exit code.
  for (const [what, signal, exit] of [
    ['Ctrl-C', 'SIGINT', 130],
    ['SIGTERM', 'SIGTERM', null],
    ['SIGHUP', 'SIGHUP', null],
  ] as const) {
    it(`leaves nothing behind on ${what}`, async function () {
      skipUnlessPossible(this, process.platform !== 'win32', 'Windows cannot send a child signals')
      const { code, stdout } = await ended(signal)
      assert.deepEqual([code, stdout, await readdir(folder)], [exit, '', []])
    })
  }

  it('removes what a killed one left of the same output, and nothing else', async function () {
    skipUnlessPossible(this, process.platform !== 'win32', 'Windows cannot send a child signals')
    await ended('SIGKILL')
    const [left = ''] = await readdir(folder)
    assert.match(left, /^\.x\.gguf\.[0-9a-f]{8}-\d+\.[0-9a-f]{8}\.partial$/)
    const others = [
      left.replace(/-\d+/, `-${process.pid}`), // of a process that runs
      left.replace('x.gguf', 'y.gguf'),
      left.replace(/[0-9a-f]{8}-/, 'another-'), // of another machine
      `${left}.old`, // the model that was to be replaced, which nothing has been
    ]
    for (const name of others) await mkdir(join(folder, name))
    const convert = ['convert', 'stories', join(folder, 'x.gguf')]
    assert.equal((await run(convert)).code, 0)
    assert.deepEqual((await readdir(folder)).sort(), [...others, 'x.gguf'].sort())
    assert.equal((await run([...convert, '--force'])).code, 0)
    assert.deepEqual((await readdir(folder)).sort(), [...others.slice(0, 3), 'x.gguf'].sort())
  })

  const wrong: readonly (readonly [what: string, args: readonly string[], message: RegExp])[] = [
    ['an output that is there', ['stories', 'mine.gguf'], /mine\.gguf is there already; --force/],
    ['a type that the format does not have', ['stories', 'x', '--dtype', 'q8_0'], /safetensors is not written as q8_0/],
    ['a missing model', ['./nowhere', 'x'], /nowhere/],
    ['a missing folder', ['stories', 'a/b/c'], /there is no folder .*b to write to/],
    ['a size that is none', ['stories', 'x', '--shard-size', '0'], /megabytes above 0/],
    ['no output', ['stories'], /missing required argument 'out'/],
  ]
  for (const [what, args, message] of wrong) {
    it(`says what is wrong with ${what}, in a line, and fails`, async () => {
      await writeFile(join(folder, 'mine.gguf'), 'mine')
      const { code, stdout, stderr } = await run(['convert', ...args], { cwd: folder })
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(stderr, message)
      assert.ok(!/\n\s+at /.test(stderr), 'a stack trace is no message')
      assert.deepEqual(await readdir(folder), ['mine.gguf'])
    })
  }
})
