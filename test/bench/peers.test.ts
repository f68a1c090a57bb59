// The comparison with llama.cpp, whose part is played by our own model: what is counted and compared is right.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import { withCpuUse } from '../../bench/cpu-use.ts'
import type { LlamaCpp } from '../../bench/llama-cpp.ts'
import { packageFolder } from '../../bench/optional-package.ts'
import { benchPeers, besideLlamaCpp, type PeerReport, type PeerSide } from '../../bench/peers.ts'
import { stories260K } from '../checkpoints.ts'

describe('decoding beside a peer', () => {
  let model: Model
  before(async () => {
    model = await loadModel(stories260K, { backend: 'reference' })
  })
  after(() => model.dispose())

  /** Says what the model does, with another token at `wrongAt`. */
  const peer = (wrongAt: number): LlamaCpp => ({
    system: 'a double',
    encode: (text) => [...model.tokenizer.encode(text)],
    async decode(ids, { maxNewTokens }) {
      const { tokens, stats } = await generate(model, ids, { maxNewTokens, draft: 'none', ignoreEos: true }).result
      return {
        tokens: tokens.map((token, i) => (i === wrongAt ? token + 1 : token)),
        tokensPerSecond: 1000 * (tokens.length / stats.milliseconds.decode),
        firstTokenMs: stats.milliseconds.prefill,
      }
    },
    async dispose() {},
  })
  const run = (llama: LlamaCpp): Promise<PeerReport> =>
    benchPeers(besideLlamaCpp(llama, { models: [model], threads: [1, 2] }), {
      prompts: ['Once', 'The cat'],
      maxNewTokens: 8,
      mostOthers: Number.POSITIVE_INFINITY, // what else this machine does is not to matter here
    })

  it('has a row for each side and number of threads, and ratios where both have one', async () => {
    const { rows } = await run(peer(-1))
    assert.deepEqual(
      rows.map(({ side, threads, ratio, agreement }) => [side, threads, ratio !== undefined, agreement]),
      [
        ['drafthorse', 1, true, 1],
        ['llama.cpp', 1, true, undefined],
        ['llama.cpp', 2, true, undefined],
      ],
    )
    assert.equal(rows[1]!.ratio!.median, 1)
    for (const row of rows) {
      assert.equal(row.tokensPerSecond.count, 2)
      assert.ok(row.firstTokenMs.median > 0)
      assert.ok(row.cpuPerToken.median > 0)
    }
  })

  it('says up to where the tokens are the same', async () => {
    const { rows } = await run(peer(6))
    assert.equal(rows[0]!.agreement, 6 / 8)
  })

  /** Says the same tokens at a rate for each number of threads. */
  const steady = (engine: string, rates: readonly number[], tokens: readonly (number | undefined)[]): PeerSide[] =>
    rates.map((tokensPerSecond, i) => ({
      engine,
      threads: i + 1,
      decode: async () => ({ tokens, tokensPerSecond, firstTokenMs: 1 }),
    }))
  const options = { prompts: ['Once', 'The cat'], maxNewTokens: 3, mostOthers: Number.POSITIVE_INFINITY }

  it('takes a token that the peer does not tell for the same one', async () => {
    const sides = { ours: steady('ours', [1], [7, 8, 9]), theirs: steady('theirs', [1], [7, undefined, 9]) }
    const { rows } = await benchPeers(sides, options)
    assert.equal(rows[0]!.agreement, 1)
  })

  it('compares the best of each side, unless a row is spoilt', async () => {
    const sides = { ours: steady('ours', [20, 30], [7]), theirs: steady('theirs', [12, 8], [7]) }
    const { rows, best } = await benchPeers(sides, options)
    assert.deepEqual(
      rows.map(({ side, threads, ratio }) => [side, threads, ratio?.median]),
      [
        ['ours', 1, 20 / 12],
        ['ours', 2, 30 / 8],
        ['theirs', 1, 1],
        ['theirs', 2, 1],
      ],
    )
    assert.deepEqual(best && [best.ours, best.theirs, best.ratio.median], [2, 1, 30 / 12])
    const spoilt = await benchPeers(sides, { ...options, mostOthers: -1 })
    assert.deepEqual(
      spoilt.rows.map(({ disturbed, ratio }) => [disturbed, ratio]),
      Array.from({ length: 4 }, () => [true, undefined]),
    )
    assert.equal(spoilt.best, undefined)
  })

  it('ends in the middle of a text when it is aborted', async () => {
    const controller = new AbortController()
    let embedded = 0
    const embed: Model['embed'] = (...args) => {
      if (++embedded === 5) controller.abort(new Error('enough'))
      return model.embed(...args)
    }
    const counting = Object.create(model, { embed: { value: embed } }) as Model // the model with one method replaced
    const sides = besideLlamaCpp(peer(-1), { models: [counting], threads: [1] })
    const options = { prompts: ['Once'], maxNewTokens: 100, signal: controller.signal }
    await assert.rejects(benchPeers(sides, options), { code: 'ERR_ABORTED' })
    assert.ok(embedded < 10, `${embedded} passes`)
  })

  it('says what to install where a package is not', () => {
    assert.throws(() => packageFolder('no-such-package'), {
      code: 'ERR_BACKEND_UNAVAILABLE',
      message: /no-such-package is not installed: run "npm install no-such-package" in your project, or "npm install"/,
    })
  })
})

describe('processor time', () => {
  it("is this process's own, apart from others'", async () => {
    const { result, wall, cpu, others } = await withCpuUse(async () => {
      const until = process.cpuUsage().user + 200_000
      let turns = 0
      while (process.cpuUsage().user < until) turns++
      return turns
    })
    assert.ok(result > 0 && wall > 0)
    assert.ok(cpu >= 200, `${cpu} ms`)
    assert.ok(others >= 0 && others <= 1.05, `${others}`)
  })

  it('counts helpers as its own', async () => {
    let taken = 1000
    const helpers = async (): Promise<number> => taken
    const work = async (): Promise<void> => {
      taken += 1e6
    }
    const { cpu, others } = await withCpuUse(work, { helpers })
    assert.ok(cpu >= 1e6, `${cpu} ms`)
    assert.equal(others, 0)
  })
})
