// The comparison with wllama in a headless Chromium: with a double that plays its part, and with wllama itself where
// bench/peers is installed.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate, loadModel } from 'drafthorse'
import { chromiumPlaces, findChromium } from '../../bench/chromium.ts'
import { benchPeers } from '../../bench/peers.ts'
import { openWllama, type WllamaOptions } from '../../bench/wllama.ts'
import { fails, repository } from '../model/load/fixtures.ts'
import { skipUnless, skipUnlessPossible } from '../skip.ts'

const file = repository('test/peers/models/smollm2-135m-instruct.q4_1.gguf')
/** Seven tokens; the first new one wins by 1.8. */
const prompt = 'The history of the steam engine begins'
const maxNewTokens = 6

/** Says "7, 8, 9" as wllama would, but keeps the second to itself; says nothing of "Wait", and miscounts other prompts. */
const double = `export class Wllama {
  static getLibllamaVersion = () => 'b0'
  constructor(assets, { logger }) {
    this.logger = logger
  }
  setCompat() {}
  async loadModel([{ size }], { n_threads }) {
    if (!size || !crossOriginIsolated) this.logger.error('no file, or no threads')
    this.threads = n_threads
  }
  getNumThreads() {
    return this.threads
  }
  async createCompletion({ prompt, onData }) {
    if (prompt === 'Wait') await new Promise(() => {})
    if (prompt === 'Fail') this.logger.error(new Error('out of luck'))
    const chunk = (tokens, tokens_predicted) =>
      onData({ __verbose: { tokens, tokens_predicted, tokens_evaluated: ${prompt.split(' ').length} } })
    chunk([7], 1)
    await new Promise((resolve) => setTimeout(resolve, 10))
    chunk([9], 3)
    chunk([], 3)
  }
}`

describe('decoding beside wllama', function () {
  this.timeout(300_000)
  before(function () {
    if (process.platform !== 'linux') skipUnlessPossible(this, findChromium(), `there is no ${chromiumPlaces}`)
    skipUnless(this, findChromium(), `there is no ${chromiumPlaces}: run "apt-get install chromium"`)
  })

  /** What Node says in the same type. */
  async function tellInNode(): Promise<readonly number[]> {
    await using model = await loadModel(file, { backend: 'wasm', threads: 1 })
    const { tokens } = await generate(model, prompt, { maxNewTokens, draft: 'none', ignoreEos: true }).result
    return tokens
  }

  describe('that a double plays', () => {
    let project = ''
    before(async () => {
      project = await mkdtemp(join(tmpdir(), 'drafthorse-peers-'))
      const own = join(project, 'node_modules/@wllama/wllama')
      await mkdir(join(own, 'esm'), { recursive: true })
      await writeFile(join(own, 'package.json'), JSON.stringify({ version: '0.0.0', type: 'module' }))
      await writeFile(join(own, 'esm/index.js'), double)
      await symlink(repository('node_modules/playwright-core'), join(project, 'node_modules/playwright-core'))
    })
    after(() => rm(project, { recursive: true, force: true }))

    /** Finds its packages in the project. */
    function open(path: string, options: Partial<WllamaOptions> = {}): ReturnType<typeof openWllama> {
      const before = process.cwd()
      process.chdir(project)
      try {
        return openWllama(path, { threads: [1], contextSize: 64, ...options })
      } finally {
        process.chdir(before)
      }
    }

    it("runs our engine in a page as in Node, and takes the peer's tokens as they come", async function () {
      skipUnless(this, existsSync(file), 'test/peers/fetch-smollm2.sh has not brought SmolLM2')
      const told: number[] = []
      const sides = await open(file, { threads: [1, 2, 2], onProgress: (done) => void told.push(done) })
      try {
        assert.deepEqual(told, [1, 2, 3, 4])
        assert.equal(sides.system, 'wllama 0.0.0, llama.cpp b0')
        assert.match(sides.browser, /^Chromium \d+/)
        assert.equal(sides.model.summary.format, 'gguf')
        assert.deepEqual(
          [...sides.ours, ...sides.theirs].map(({ engine, threads }) => [engine, threads]),
          [
            ['drafthorse', 1],
            ['drafthorse', 2],
            ['wllama', 1],
            ['wllama', 2],
          ],
        )
        const expected = await tellInNode()
        for (const side of sides.ours) {
          const { tokens, tokensPerSecond } = await side.decode(prompt, { maxNewTokens })
          assert.deepEqual(tokens, expected)
          assert.ok(tokensPerSecond > 0)
        }
        const { tokens, tokensPerSecond } = await sides.theirs[0]!.decode(prompt, { maxNewTokens: 3 })
        assert.deepEqual(tokens, [7, undefined, 9])
        assert.ok(tokensPerSecond > 0 && tokensPerSecond <= 210, `${tokensPerSecond}`)
        assert.ok((await sides.helpers!()) > 0)
        await fails(() => sides.theirs[0]!.decode('One', { maxNewTokens }), 'ERR_BACKEND_CRASHED', /"One" is 1 tokens/)
        await fails(() => sides.theirs[0]!.decode('Fail', { maxNewTokens }), 'ERR_BACKEND_CRASHED', /out of luck/)
      } finally {
        await sides.dispose()
      }
    })

    it('ends in the middle of a text when it is aborted', async function () {
      skipUnless(this, existsSync(file), 'test/peers/fetch-smollm2.sh has not brought SmolLM2')
      const controller = new AbortController()
      const { signal } = controller
      const sides = await open(file, { signal })
      try {
        const waiting = sides.theirs[0]!.decode('Wait', { maxNewTokens, signal })
        controller.abort(new Error('enough'))
        await fails(() => waiting, 'ERR_ABORTED', /aborted/)
      } finally {
        await sides.dispose()
      }
    })

    it('refuses a file that is none, or has no tokenizer', async () => {
      const other = join(project, 'other.gguf')
      await writeFile(other, 'not GGUF')
      await fails(() => open(other), 'ERR_MODEL_FORMAT', /other\.gguf/)
      await fails(() => open(join(project, 'none.gguf')), 'ERR_NOT_FOUND', /none\.gguf/)
      const mute = repository('test/oracles/gguf/wide-head-bias-f32.gguf')
      await fails(() => open(mute), 'ERR_MODEL_FORMAT', /has no tokenizer/)
    })
  })

  it('has rows of both, whose tokens begin alike', async function () {
    const installed = existsSync(repository('bench/peers/node_modules/@wllama/wllama'))
    skipUnlessPossible(this, installed, 'only a benchmark needs wllama: "npm install" in bench/peers installs it')
    skipUnless(this, existsSync(file), 'test/peers/fetch-smollm2.sh has not brought SmolLM2')
    const sides = await openWllama(file, { threads: [1], contextSize: 64 })
    try {
      const { rows } = await benchPeers(sides, { prompts: [prompt], maxNewTokens: 2 })
      const [ours, theirs] = rows
      assert.deepEqual([ours!.side, theirs!.side, theirs!.agreement], ['drafthorse', 'wllama', undefined])
      assert.ok(ours!.agreement! >= 0.5, `${ours!.agreement}`)
      for (const { tokensPerSecond, cpuPerToken } of rows) {
        assert.ok(tokensPerSecond.median > 0)
        assert.ok(cpuPerToken.median > 0)
      }
    } finally {
      await sides.dispose()
    }
  })
})
