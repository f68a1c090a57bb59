// Real checkpoints against what other programs computed: transformers, and llama2.c's run.c.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { generate, loadModel, type Model } from 'drafthorse'
import { argmax, checkpoints, firm, folderOf, type Golden, oracle, readGolden, stories260K } from '../checkpoints.ts'
import { golden } from '../golden.ts'

const limit = 1e-3

function largestDifference(a: Float32Array, b: Float32Array): number {
  assert.equal(a.length, b.length)
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0)
}

for (const [name, backend] of checkpoints.flatMap((name) => ['reference', 'wasm'].map((on) => [name, on] as const))) {
  describe(`checkpoint ${name}, against transformers, on ${backend}`, () => {
    let model: Model
    let oracleData: Golden
    before(async () => {
      oracleData = await readGolden(name)
      model = await loadModel(folderOf(name), { backend })
    })
    after(() => model.dispose())

    it('gives its logits within 1e-3 for all five skip sets', async () => {
      assert.equal(oracleData.cases.length, 5)
      for (const { name, skip, logits } of oracleData.cases) {
        const error = largestDifference(await model.logits(oracleData.inputIds, { skip }), logits)
        assert.ok(error <= limit, `${name} is off by ${error}`)
        if (process.env['DRAFTHORSE_SHOW_ERRORS']) console.log(`      ${name}: ${error}`)
        golden()
      }
    })

    it('chooses its greedy ids, one token at a time, for all five skip sets', async () => {
      const { vocabSize } = model.config
      for (const example of oracleData.cases) {
        const ids = [...oracleData.inputIds]
        for (let i = 0; i < firm(example); i++) {
          const logits = await model.logits(ids, { skip: example.skip })
          ids.push(argmax(logits.subarray(-vocabSize)))
        }
        assert.deepEqual(ids.slice(oracleData.inputIds.length), example.greedyIds.slice(0, firm(example)), example.name)
        golden()
      }
    })

    it('generates its greedy ids, and the same when it speculates with any of the skip sets', async () => {
      const none = oracleData.cases.find((example) => example.name === 'none')!
      const { tokens, finishReason } = await generate(model, oracleData.inputIds, {
        draft: 'none',
        ignoreEos: true,
        maxNewTokens: 24,
      }).result
      assert.equal(finishReason, 'length')
      assert.equal(tokens.length, 24)
      assert.deepEqual(tokens.slice(0, firm(none)), none.greedyIds.slice(0, firm(none)))
      golden()
      for (const { name, skip } of oracleData.cases) {
        const options = { draft: 'skip', skip, draftLength: 4, ignoreEos: true, maxNewTokens: 24 } as const
        const speculative = await generate(model, oracleData.inputIds, options).result
        assert.deepEqual(speculative.tokens, tokens, `drafting with ${name}`)
      }
    })
  })
}

describe('stories260K, against llama2.c', () => {
  const steps = 200 // positions run: the prompt with its BOS, and every new token but the last

  it('tells the exact text of every prompt', async () => {
    const file = await readFile(oracle('stories260K/llama2c_greedy.txt'), 'utf8')
    const sections = [...`${file}## `.matchAll(/^## prompt: '(.*)' \(-n 200\)\n([\s\S]*?)\n\n(?=## )/gm)]
    assert.equal(sections.length, 5)
    await using model = await loadModel(stories260K)
    for (const [, prompt, expected] of sections) {
      const ids = model.tokenizer.encode(prompt!)
      const { tokens, text } = await generate(model, prompt!, { maxNewTokens: steps + 1 - ids.length }).result
      assert.equal(model.tokenizer.decode([...ids, ...tokens]), expected)
      assert.equal(prompt + text, expected)
      golden()
    }
  })
})

describe('the embedded model, against transformers', () => {
  interface Story {
    readonly prompt: string
    readonly prompt_ids: readonly number[]
    readonly greedy_ids: readonly number[]
    readonly greedy_text: string
    readonly margins: readonly number[]
    readonly logprobs: readonly number[]
    readonly top20_after_prompt: readonly (readonly [id: number, logit: number])[]
  }
  let model: Model
  const stories: readonly Story[] = JSON.parse(readFileSync(oracle('stories/greedy.json'), 'utf8'))
  before(async () => {
    model = await loadModel('stories', { dtype: 'f32' })
  })
  after(() => model.dispose())

  it('gives the 20 largest logits after each prompt within 1e-3', async () => {
    for (const { prompt, prompt_ids: ids, top20_after_prompt: top } of stories) {
      assert.deepEqual(model.tokenizer.encode(prompt), ids)
      const last = (await model.logits(ids)).subarray(-model.config.vocabSize)
      for (const [id, logit] of top) assert.ok(Math.abs(last[id]! - logit) <= limit, `${prompt}: ${id} is ${last[id]}`)
      const ranked = [...last.keys()].sort((a, b) => last[b]! - last[a]!)
      assert.equal(ranked[0], top[0]![0])
      golden()
    }
  })

  for (const { prompt, greedy_ids: expected, greedy_text: text, margins } of stories) {
    it(`tells the same story after "${prompt}"`, async () => {
      assert.equal(firm({ margins }), expected.length)
      const result = await generate(model, prompt, { draft: 'none', maxNewTokens: expected.length }).result
      assert.deepEqual(result.tokens, expected)
      assert.equal(result.text, text)
      golden()
    })
  }

  it('tells the same story when it speculates with its own skip set', async () => {
    const { prompt, greedy_ids: expected } = stories[0]!
    const { tokens, stats } = await generate(model, prompt, { draft: 'skip', draftLength: 4, maxNewTokens: 30 }).result
    assert.deepEqual(tokens, expected.slice(0, 30))
    assert.equal(stats.draft, 'skip')
    assert.deepEqual(stats.skip, model.skip)
    golden()
  })

  /** The log-probability of each token of a story, and whether it is the one that the model would choose. */
  async function judge(teller: Model, { prompt_ids: prompt, greedy_ids: story }: Story) {
    const { vocabSize } = teller.config
    const logits = await teller.logits([...prompt, ...story.slice(0, -1)])
    return story.map((id, i) => {
      const row = logits.subarray((prompt.length - 1 + i) * vocabSize, (prompt.length + i) * vocabSize)
      const logSumExp = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0))
      return { logProbability: row[id]! - logSumExp, chosen: argmax(row) === id }
    })
  }

  it('gives the tokens of a story the same log-probabilities within 1e-3', async () => {
    const story = stories[5]!
    for (const [i, { logProbability }] of (await judge(model, story)).entries()) {
      assert.ok(Math.abs(logProbability - story.logprobs[i]!) <= limit, `token ${i}: ${logProbability}`)
    }
    golden()
  })

  it('runs as q8_0 unasked, chooses 99 % of the tokens then, and finds the stories as likely', async () => {
    await using unasked = await loadModel('stories')
    assert.equal(unasked.summary.running.q8_0, model.summary.stored.bf16! - unasked.summary.running.f32!)
    let [tokens, chosen, difference] = [0, 0, 0]
    for (const story of stories) {
      for (const [i, token] of (await judge(unasked, story)).entries()) {
        tokens++
        if (token.chosen) chosen++
        difference += token.logProbability - story.logprobs[i]!
      }
      golden()
    }
    assert.ok(chosen / tokens >= 0.99, `${chosen} of ${tokens} tokens`)
    assert.ok(Math.abs(difference / tokens) <= limit, `${difference / tokens} more likely a token`)
  })
})
