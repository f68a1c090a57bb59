// The comparison with llama.cpp, whose part is played by our own model: what is counted and compared is right.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import { withCpuUse } from '../../bench/cpu-use.ts'
import { type LlamaCpp, openLlamaCpp } from '../../bench/llama-cpp.ts'
import { benchPeers, idleEnough } from '../../bench/peers.ts'
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
        milliseconds: stats.milliseconds.decode,
      }
    },
    async dispose() {},
  })
  const run = (llama: LlamaCpp) =>
    benchPeers(llama, { prompts: ['Once', 'The cat'], maxNewTokens: 8, models: [model], threads: [1, 2] })

  it('has a row for each side and number of threads, and ratios where both have one', async () => {
    const rows = await run(peer(-1))
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
      assert.ok(row.cpuPerToken.median > 0)
      assert.equal(row.disturbed, row.others > idleEnough)
    }
  })

  it('says up to where the tokens are the same', async () => {
    const [ours] = await run(peer(6))
    assert.equal(ours!.agreement, 6 / 8)
  })

  it('ends in the middle of a text when it is aborted', async () => {
    const controller = new AbortController()
    let embedded = 0
    const counting: Model = {
      ...model,
      embed(...args) {
        if (++embedded === 5) controller.abort(new Error('enough'))
        return model.embed(...args)
      },
    }
    const options = { prompts: ['Once'], maxNewTokens: 100, models: [counting], threads: [1] }
    await assert.rejects(benchPeers(peer(-1), { ...options, signal: controller.signal }), { code: 'ERR_ABORTED' })
    assert.ok(embedded < 10, `${embedded} passes`)
  })

  it('says what to install where llama.cpp is not', async () => {
    const before = process.cwd()
    process.chdir('/')
    try {
      await assert.rejects(openLlamaCpp('no.gguf', { contextSize: 64 }), (error: Error) => {
        // Where bench/peers is installed the package is found, and finds no file.
        return /npm install node-llama-cpp/.test(error.message) || /no\.gguf/.test(error.message)
      })
    } finally {
      process.chdir(before)
    }
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
})
