// The command line as a user meets it: the built program in a process of its own.

import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { skipUnlessPossible } from '../skip.ts'
import { run } from './run.ts'

const oracle = new URL('../oracles/stories/greedy.json', import.meta.url)

describe('drafthorse on the command line', () => {
  it('without a command tells one story twice, identically, and compares', async () => {
    const { code, stdout } = await run(['--max-new-tokens', '24'])
    assert.equal(code, 0)
    const stories = stdout
      .split('\n')
      .filter((line) => line.startsWith('Once upon a time, there was a little girl named Mia. She loved'))
    assert.equal(stories.length, 2)
    assert.equal(stories[0], stories[1])
    for (const fact of ['tokens/s', 'drafts accepted', 'passes of the full model', 'attention 3-11, MLP 3-11']) {
      assert.ok(stdout.includes(fact), `the comparison lacks "${fact}"`)
    }
    assert.match(stdout, /Identical: yes, all 24 tokens/)
    assert.ok(!stdout.includes('\u001b'), 'there are control codes in output that is not for a terminal')
  })

  it('gives the comparison as one JSON object', async () => {
    const { code, stdout } = await run(['--json', '--max-new-tokens', '12'])
    assert.equal(code, 0)
    const report = JSON.parse(stdout)
    assert.equal(report.format, 'drafthorse/demo@1')
    assert.equal(report.identical, true)
    assert.deepEqual(report.plain.tokens, report.speculative.tokens)
  })

  it('continues a text as the oracle does, drafting or not', async () => {
    const [golden] = JSON.parse(await readFile(oracle, 'utf8'))
    for (const draft of ['skip', 'none']) {
      const { code, stdout } = await run(['generate', golden.prompt, '--draft', draft, '--dtype', 'bf16'])
      assert.equal(code, 0)
      assert.equal(stdout, `${golden.greedy_text}\n`)
    }
  })

  it('names options of sampling that do nothing without a temperature', async () => {
    const args = ['generate', 'A cat', '--max-new-tokens', '2', '--top-p', '0.5', '--seed', '7']
    const idle = /^of no effect at temperature 0: --top-p, --seed; give a --temperature above 0$/m
    assert.match((await run(args)).stderr, idle)
    assert.doesNotMatch((await run([...args, '--temperature', '0.8'])).stderr, /of no effect/)
    const penalty = ['generate', 'A cat', '--max-new-tokens', '2', '--repetition-penalty', '1.2']
    assert.doesNotMatch((await run(penalty)).stderr, /of no effect/)
  })

  it('reads a prompt from standard input and reports as JSON', async () => {
    const { code, stdout } = await run(['generate', '-', '--json', '--max-new-tokens', '5'], { input: 'A tiny ant\n' })
    assert.equal(code, 0)
    const report = JSON.parse(stdout)
    assert.equal(report.format, 'drafthorse/generation@1')
    assert.equal(report.prompt, 'A tiny ant')
    assert.equal(report.tokens.length, 5)
  })

  it('takes special tokens in a prompt for text, unless told otherwise', async () => {
    const tokens = async (...args: string[]): Promise<number> =>
      JSON.parse((await run(['generate', '<|endoftext|>', '--json', '--max-new-tokens', '1', ...args])).stdout).stats
        .promptTokens
    assert.ok((await tokens()) > 2)
    assert.equal(await tokens('--special-tokens', 'parse'), 2)
  })

  it('skips the sublayers that a file or the options name', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
    try {
      const file = join(folder, 'skip.json')
      await writeFile(file, JSON.stringify({ stories: { attention: [5], mlp: [6, 7] } }))
      const named = await run(['generate', 'A cat', '--json', '--max-new-tokens', '3', '--skip', file])
      assert.deepEqual(JSON.parse(named.stdout).stats.skip, { attention: [5], mlp: [6, 7] })
      const listed = [
        'generate',
        'A cat',
        '--json',
        '--max-new-tokens',
        '3',
        '--skip-attention',
        '5',
        '--skip-mlp',
        '6-7',
      ]
      assert.deepEqual(JSON.parse((await run(listed)).stdout).stats.skip, { attention: [5], mlp: [6, 7] })
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('works with models that have no tokenizer, by token ids', async () => {
    const model = fileURLToPath(new URL('../oracles/hf/llama2-f32', import.meta.url))
    const { code, stdout } = await run(['generate', '--model', model, '--prompt-ids', '1,5,9', '--max-new-tokens', '4'])
    assert.equal(code, 0)
    assert.match(stdout, /^(\d+ ){1,4}\n$/)
  })

  it('ends cleanly on Ctrl-C, with what was said so far', async function () {
    skipUnlessPossible(this, process.platform !== 'win32', 'Windows cannot send a child Ctrl-C')
    let killed = false
    const { code, stdout, stderr } = await run(['generate', 'Once', '--max-new-tokens', '450', '--ignore-eos'], {
      onOutput(all, kill) {
        if (killed || all.length <= 40) return
        killed = true // a second Ctrl-C would end the process at once
        kill('SIGINT')
      },
    })
    assert.equal(code, 130)
    assert.ok(stdout.length > 40)
    assert.match(stderr, /tokens \(aborted\)/)
  })

  it('says what runs here, and what a model is', async () => {
    const { code, stdout } = await run(['info', '--json'])
    assert.equal(code, 0)
    const report = JSON.parse(stdout)
    const reference = report.backends.find((backend: { name: string }) => backend.name === 'reference')
    assert.equal(reference.available, true)
    assert.equal(reference.capabilities.rowInvariant, true)
    assert.equal(report.model.parameters, 10_492_160)
    assert.match((await run(['info'])).stdout, /reference +yes/)
  })

  it('names the family of a model, and those that it runs where it is none of them', async () => {
    const families = await run([
      'info',
      fileURLToPath(new URL('../oracles/hf-families/mistral-window-16', import.meta.url)),
    ])
    assert.match(families.stdout, /family +mistral\n(.*\n)*context +256 tokens, of which attention sees the last 16\n/)
    const folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
    try {
      await writeFile(join(folder, 'config.json'), '{"model_type": "gpt2"}')
      const { code, stderr } = await run(['info', folder])
      assert.equal(code, 1)
      assert.match(stderr, /"gpt2" model; Drafthorse runs llama, mistral, qwen2, qwen3/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('warns where a skip file was found for another model, and leaves out what it says of costs', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
    const env = { DRAFTHORSE_CACHE: folder }
    try {
      const short = ['generate', 'A cat', '--json', '--max-new-tokens', '3']
      await run([...short, '--skip-attention', '5', '--save-skip'], { env })
      const [name = ''] = await readdir(join(folder, 'skip'))
      const file = join(folder, 'skip', name)
      const same = await run([...short, '--skip', file])
      assert.deepEqual([same.code, same.stderr.includes('warning')], [0, false])
      const id = name.replace(/\.json$/, '')
      const other = join(folder, 'other.json')
      await writeFile(other, (await readFile(file, 'utf8')).replace(id, 'f00d\\u001b[7m'.padEnd(64, '0')))
      const warned = await run([...short, '--skip', other])
      assert.equal(warned.code, 0)
      assert.match(
        warned.stderr,
        /warning: the skip set of .*other\.json was found for another model, or for this one in/,
      )
      assert.ok(warned.stderr.includes(`its id is f00d`) && warned.stderr.includes(`stories has ${id.slice(0, 12)}`))
      assert.ok(!warned.stderr.includes('\u001b'))
      assert.deepEqual(JSON.parse(warned.stdout).stats.skip, { attention: [5], mlp: [] })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('keeps a skip set for a model, and drafts with it from then on', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
    const env = { DRAFTHORSE_CACHE: folder }
    try {
      const short = ['generate', 'A cat', '--json', '--max-new-tokens', '3']
      const kept = await run([...short, '--skip-attention', '5', '--skip-mlp', '6,7', '--save-skip'], { env })
      assert.match(kept.stderr, /kept for stories in .*\.json: attention 5, MLP 6-7\n/)
      assert.deepEqual(JSON.parse((await run(short, { env })).stdout).stats.skip, { attention: [5], mlp: [6, 7] })
      const { model } = JSON.parse((await run(['info', '--json'], { env })).stdout)
      assert.deepEqual(model.skip, { attention: [5], mlp: [6, 7] })
      const file = join(folder, 'skip', `${model.id}.json`)
      assert.ok(kept.stderr.includes(file))
      assert.match((await run(['info'], { env })).stdout, new RegExp(`id +${model.id}\n`))
      const costs = [{ backend: 'wasm', dtype: 'f32', threads: 1, draft: 0.5, verify: [1, 1.5] }]
      const prior = { costs, survival: [0.75] }
      const known = join(folder, 'known.json')
      await writeFile(known, JSON.stringify({ stories: { attention: [5], mlp: [7, 6], ...prior } }))
      const keeps = [
        ['--skip', known],
        ['--skip-attention', '5', '--skip-mlp', '6,7'], // the set that is kept by now
      ]
      for (const set of keeps) {
        assert.equal((await run([...short, ...set, '--save-skip'], { env })).code, 0)
        const { costs, survival } = JSON.parse(await readFile(file, 'utf8')).stories
        assert.deepEqual({ costs, survival }, prior, set[0])
      }
      await writeFile(file, '{')
      const damaged = await run(short, { env })
      assert.equal(damaged.code, 1)
      assert.ok(damaged.stderr.includes(`${file} is not JSON`), damaged.stderr)
      assert.match((await run(['info'], { env })).stdout, /skipped in drafts +.*is not JSON.*; delete it, or keep/)
      assert.equal((await run([...short, '--draft', 'none'], { env })).code, 0)
      assert.equal((await run([...short, '--skip-attention', '5', '--save-skip'], { env })).code, 0)
      assert.deepEqual(JSON.parse((await run(short, { env })).stdout).stats.skip, { attention: [5], mlp: [] })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  const wrong: readonly (readonly [what: string, args: readonly string[], message: RegExp])[] = [
    ['an unknown command', ['tell'], /unknown command 'tell'/],
    ['a missing model', ['generate', 'x', '--model', './nowhere'], /nowhere/],
    ['an unknown backend', ['generate', 'x', '--backend', 'abacus'], /no backend "abacus".*reference/],
    ['an empty prompt', ['generate', ''], /prompt is empty/],
    ['a prompt that does not fit', ['generate', 'a '.repeat(600)], /context holds 512/],
    ['a layer that does not exist', ['generate', 'x', '--skip-mlp', '12'], /mlp layer 12.*0 to 11/],
    ['a list that is none', ['generate', 'x', '--skip-mlp', 'all'], /Expected layers/],
    ['a missing skip file', ['generate', 'x', '--skip', 'nowhere.json'], /nowhere\.json/],
    ['a skip file that is no JSON', ['generate', 'x', '--skip', 'README.md'], /README\.md is not JSON/],
    ['a number that is none', ['generate', 'x', '--max-new-tokens', 'ten'], /whole number from 1/],
    ['a skip set to keep that is not given', ['generate', 'x', '--save-skip'], /--save-skip keeps what --skip,/],
  ]
  for (const [what, args, message] of wrong) {
    it(`says what is wrong with ${what}, in a line, and fails`, async () => {
      const { code, stdout, stderr } = await run(args)
      assert.equal(code, 1)
      assert.equal(stdout, '')
      assert.match(stderr, message)
      assert.ok(!/\n\s+at /.test(stderr), 'a stack trace is no message')
    })
  }
})
