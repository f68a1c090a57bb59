// What follows from rounds and costs, the texts of tables, and the comparison itself. What is timed is nobody's to assert.
import assert from 'node:assert/strict'
import { articlesOf, parseCsv } from '../../bench/articles.ts'
import { medianInterval } from '../../bench/interval.ts'
import { mergedPrior, skipFileWith } from '../../bench/save-costs.ts'
import { type Attainable, benchSpeculate, type SpeculateOptions } from '../../bench/speculate.ts'
import { savings, type Way, wayOf } from '../../bench/speculate-ways.ts'
import type { DraftLengthSession } from '../../decode/draft-length/draft-length.ts'
import { openBackend } from '../../engine/open.ts'
import { reference } from '../../engine/reference/index.ts'
import { withOps } from '../../engine/with-ops.ts'
import { type LoadOptions, loadModel, type Model } from '../../model/load-model.ts'
import { parseSkipEntry } from '../../model/skip-file.ts'
import { predictedSpeedup, roundCost, speedupByLength, survivals } from '../../search/attainable.ts'
import { folderOf } from '../checkpoints.ts'

const costs = { draft: 0.25, verify: [1, 1.2, 1.4, 1.8], prefixShare: 0.1 }
const close = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) < 1e-12, `${actual}`)

describe('what a round costs', () => {
  it('is its drafts, and a pass of which the prefix is done for all rows but the newest', () => {
    close(roundCost({ drafted: 2, accepted: 0, draftPasses: 2 }, costs), 2 * 0.25 + 0.1 + 0.9 * 1.4)
    close(roundCost({ drafted: 2, accepted: 0, draftPasses: 0 }, costs), 1.4)
    close(roundCost({ drafted: 0, accepted: 0, draftPasses: 0 }, costs), 1)
  })

  it('goes on in a straight line after the last pass that was measured', () => {
    close(roundCost({ drafted: 5, accepted: 0, draftPasses: 0 }, costs), 1.8 + 2 * (1.8 - 1.4))
  })
})

describe('what drafts could bring', () => {
  const round = (drafted: number, accepted: number) => ({ drafted, accepted, draftPasses: drafted })
  const rounds = [round(3, 3), round(3, 1), round(3, 0), round(3, 2)]

  it('is at each length the tokens of the same rounds, cut off, in the time that those take', () => {
    const speedups = speedupByLength(rounds, costs, 3)
    const survival = survivals(rounds, 3)
    assert.deepEqual(survival, [3 / 4, (3 / 4) * (2 / 3), (3 / 4) * (2 / 3) * (1 / 2)])
    for (const k of [1, 2, 3]) {
      const tokens = 1 + survival.slice(0, k).reduce((sum, share) => sum + share, 0)
      close(speedups[k - 1]!, tokens / (k * 0.25 + 0.1 + 0.9 * costs.verify[k]!))
    }
    close(predictedSpeedup(rounds, costs), speedups[2]!)
  })

  it('counts rounds in which nothing is guessed as plain steps', () => {
    const guesses = [
      { drafted: 2, accepted: 2, draftPasses: 0 },
      { drafted: 0, accepted: 0, draftPasses: 0 },
    ]
    close(predictedSpeedup(guesses, costs), 4 / (1.4 + 1))
    assert.deepEqual(survivals(guesses, 4), [1, 1])
  })

  it('knows of rounds that drafted less only as far as they went', () => {
    assert.deepEqual(survivals([round(1, 1), round(1, 1), round(3, 1)], 3), [1, 0])
    assert.deepEqual(survivals([], 3), [])
  })
})

describe('the interval of a median', () => {
  const figures = Array.from({ length: 15 }, (_, i) => 1 + i / 10)

  it('holds the median, is wider for more certainty, and the same again', () => {
    const interval = medianInterval(figures)
    assert.deepEqual([interval.median, interval.count], [1.7, 15])
    assert.ok(1 <= interval.low && interval.low < 1.7 && 1.7 < interval.high && interval.high <= 2.4)
    assert.deepEqual(medianInterval(figures), interval)
    const half = medianInterval(figures, { probability: 0.5 })
    assert.ok(interval.low < half.low && half.high < interval.high)
  })

  it('holds the true median of what figures were drawn from about as often as it says', () => {
    let holds = 0
    for (let seed = 0; seed < 100; seed++) {
      const sample = Array.from({ length: 21 }, (_, i) => ((Math.sin(seed * 1000 + i * 7.13) * 43758.5453) % 1) + 1)
      const { low, high } = medianInterval(sample, { resamples: 300 })
      if (low <= 1 && 1 <= high) holds++
    }
    assert.ok(holds >= 85, `${holds} of 100`)
  })
})

describe('the texts of tables', () => {
  it('are read from CSV with commas, quotes and line breaks in quotes', () => {
    assert.deepEqual(parseCsv('a,b\n1,"x, ""y""\nz"\r\n"",\n'), [
      ['a', 'b'],
      ['1', 'x, "y"\nz'],
      ['', ''],
    ])
    assert.deepEqual(parseCsv('a,'), [['a', '']])
    assert.deepEqual(parseCsv(''), [])
    assert.throws(() => parseCsv('a,"b'), { code: 'ERR_ARGUMENT', message: /from character 2 on/ })
  })

  it('come from the column asked for, of CSV and of JSON lines', () => {
    assert.deepEqual(articlesOf(',text,y\n0,"One, two",\n1,Three,\n', { name: 'n.csv', column: 'text' }), [
      'One, two',
      'Three',
    ])
    assert.deepEqual(articlesOf('{"d": "x"}\n\n{"d": "y"}\n', { name: 'n.jsonl', column: 'd' }), ['x', 'y'])
    for (const [content, name, says] of [
      ['a\n1\n', 'n.csv', /row 1 of n\.csv has no text in a column "text"/],
      ['a\n', 'n.csv', /n\.csv has no rows/],
      ['{', 'n.jsonl', /line 1 of n\.jsonl is not JSON/],
      ['{"text": 3}', 'n.jsonl', /row 1 of n\.jsonl/],
      ['', 'n.txt', /neither a \.csv nor a \.jsonl/],
    ] as const) {
      assert.throws(() => articlesOf(content, { name, column: 'text' }), { code: 'ERR_ARGUMENT', message: says })
    }
  })
})

const options: SpeculateOptions = {
  prompts: [
    [5, 9, 13, 44],
    [7, 8],
  ],
  maxNewTokens: 12,
  drafts: ['skip', 'lookup', 'auto'],
  draftLengths: ['2', 'threshold', 'cost-model'],
  savings,
  savingsAt: '2',
  repeats: 2,
  longest: 3,
  passes: 2,
}

describe('plain decoding beside drafts', () => {
  it('has a row for each way, with the same texts, and what each draft could bring', async () => {
    await using model = await withSkip()
    const result = await benchSpeculate(model, options)
    assert.deepEqual(
      result.rows.map(({ draft, draftLength }) => `${draft} ${draftLength}`),
      [
        'none 0',
        ...['skip', 'lookup', 'auto'].flatMap((draft) =>
          ['2', 'threshold', 'cost-model', '3'].map((k) => `${draft} ${k}`),
        ),
      ],
    )
    for (const { identical, ratio } of result.rows) assert.deepEqual([identical, ratio.count], [2, 2])
    const [plain, two] = result.rows
    assert.deepEqual([plain!.tokensPerPass, plain!.draftedPerRound, plain!.predicted, plain!.lost], [1, 0, 1, 0])
    assert.equal(plain!.tokensPerSecond.count, 4)
    for (const { draftLength, ledger } of result.rows) {
      assert.equal(ledger !== undefined, draftLength === 'cost-model')
      assert.ok(ledger === undefined || Number.isFinite(ledger))
    }
    assert.equal(result.tokens, 48)
    assert.ok(two!.draftedPerRound > 1 && two!.draftedPerRound <= 2)
    assert.deepEqual(
      result.passCosts.map(({ rows }) => rows),
      [1, 2, 3, 4],
    )
    assert.deepEqual(
      result.attainable.map(({ draft, runsModel, speedups }) => [draft, runsModel, speedups.length]),
      [
        ['skip', true, 3],
        ['lookup', false, 3],
        ['auto', true, 3],
      ],
    )
    for (const { best, speedups, reached } of result.attainable) {
      assert.equal(best.speedup, Math.max(1, ...speedups))
      assert.equal(reached.length, 4)
    }
    assert.deepEqual(
      result.savings.map(({ name, identical }) => [name, identical]),
      savings.map(({ name }) => [name, true]),
    )
  })

  it('carries what adaptive draft-exiting learns over the prompts of a row, and to no other row', async () => {
    await using model = await loadModel(folderOf('gqa-tied-bf16'), { backend: 'reference' })
    const begin = (way: Way): DraftLengthSession => {
      const { draftLength } = way.options
      assert.ok(typeof draftLength === 'object')
      return draftLength.start({ drafts: ['lookup'], freeReads: true })
    }
    const goesOn = (session: DraftLengthSession): boolean | undefined =>
      session.next({ draft: 'lookup', lanes: 1 }).goesOn?.(0.6)
    const [way, other] = [0, 1].map(() => wayOf(model, { draft: 'lookup', draftLength: 'adaptive' })!)
    const first = begin(way!)
    assert.equal(goesOn(first), true)
    const lane = { draft: 'mine', limit: 4, drafted: 4, accepted: 0, confidences: [0.9, 0.9, 0.9, 0.9] }
    first.observe?.({ lanes: [lane], ms: 1, draftMs: 0, verifyMs: 1, draftPasses: 0, rows: 5 })
    assert.equal(goesOn(begin(way!)), false, 'the threshold has risen')
    assert.equal(goesOn(begin(other!)), true)
  })

  it('leaves out drafts that a model without a skip set has not', async () => {
    await using model = await loadModel(folderOf('gqa-tied-bf16'), { backend: 'reference' })
    const result = await benchSpeculate(model, { ...options, draftLengths: ['1'], repeats: 1 })
    assert.deepEqual([result.leftOut, result.savings], [['skip'], []])
    assert.deepEqual(
      result.attainable.map(({ draft }) => draft),
      ['lookup', 'auto'],
    )
  })

  it('finds texts that are not those of plain decoding', async () => {
    const { ops } = await reference.open({})
    const wrong = withOps(reference, {
      select(out, logits, given) {
        ops.select(out, logits, given)
        if (logits.shape[0]! > 2) out.ids.data[0] = 5
      },
    })
    const backend = await openBackend(wrong)
    await using model = await withSkip(backend)
    const { rows } = await benchSpeculate(model, { ...options, drafts: ['skip'], draftLengths: ['2'], repeats: 1 })
    assert.equal(rows[0]!.identical, 2)
    assert.ok(rows[1]!.identical < 2)
    await backend.dispose()
  })
})

/** A small model with a skip set of its own. */
async function withSkip(backend: LoadOptions['backend'] = 'reference'): Promise<Model> {
  const model = await loadModel(folderOf('gqa-tied-bf16'), { backend })
  return Object.defineProperties(model, { skip: { value: { attention: [2], mlp: [3] } } })
}

describe('costs that are kept', () => {
  const measured: Attainable = {
    ...{ draft: 'skip', costs, runsModel: true, survival: [0.75, 1 / 3], speedups: [1], reached: [] },
    best: { draftLength: 1, speedup: 1 },
  }
  const skip = { attention: [2], mlp: [3] }

  it('stand beside those of other types and threads, and replace their own', async () => {
    await using model = await withSkip()
    const first = mergedPrior(undefined, model, measured)
    const { threads } = model.backend.capabilities
    const here = {
      backend: 'reference',
      dtype: model.summary.dtype,
      threads,
      draft: 0.25,
      verify: costs.verify,
      prefix: 0.1,
    }
    assert.deepEqual(first, { costs: [here], survival: [0.75, 0.3333] })
    const other = { ...here, dtype: 'q4_0' }
    const again = mergedPrior({ costs: [{ ...here, draft: 9 }, other], survival: [1] }, model, measured)
    assert.deepEqual(again.costs, [other, here])
  })

  it('tell survival as the mean over the runs of all types, and of one type by its last run', async () => {
    await using model = await withSkip()
    const once = mergedPrior(undefined, model, measured)
    assert.deepEqual(mergedPrior({ ...once, survival: [1, 1] }, model, measured), once)
    const others = ['q4_0', 'q8_0'].map((dtype) => ({ ...once.costs![0]!, dtype }))
    const survivalWith = (survival: readonly number[]): readonly number[] | undefined =>
      mergedPrior({ costs: others, survival }, model, measured).survival
    assert.deepEqual(survivalWith([0.9, 0.6333]), [0.85, 0.5333]) // (2 * 0.9 + 0.75) / 3, (2 * 0.6333 + 0.3333) / 3
    assert.deepEqual(survivalWith([0.9]), [0.85, 0.3778]) // of those that reach depth 1, 0.3333 / 0.75 reach depth 2
    assert.deepEqual(survivalWith([0.9, 0.6333, 0.3167, 0]), [0.85, 0.5333, 0.2667, 0])
    assert.deepEqual(survivalWith([0, 0, 0]), [0.25, 0.1111, 0])
  })

  it('never say that more rows take less, or that nothing of a pass is left to do', async () => {
    await using model = await withSkip()
    const saved = (verify: readonly number[], prefixShare: number) => {
      const { costs: [own] = [] } = mergedPrior(undefined, model, {
        ...measured,
        costs: { draft: 0.25, verify, prefixShare },
      })
      return [own!.verify, own!.prefix]
    }
    assert.deepEqual(saved([1, 1.2, 1.6, 1.4, 2], 0), [[1, 1.2, 1.5, 1.5, 2], 0])
    assert.deepEqual(saved([1, 0.9, 1.2], 0.2), [[1, 1, 1.2], 0.2])
    assert.deepEqual(saved([1, 3, 2, 1], 1.1), [[1, 2, 2, 2], 0.99])
    assert.deepEqual(saved([1], 0), [[1], 0])
  })

  it('go into a skip file that loading reads, without loss of what it has for others', async () => {
    await using model = await withSkip()
    const about = { where: 'skip.json', model, skip, attainable: measured }
    const text = skipFileWith(undefined, about)
    const names = { where: 'skip.json', modelName: model.name }
    assert.deepEqual(parseSkipEntry(JSON.parse(text), names), { skip, prior: mergedPrior(undefined, model, measured) })
    const stranger = { attention: [0], mlp: [] }
    const merged = JSON.parse(skipFileWith({ ...JSON.parse(text), stranger }, about))
    assert.deepEqual(merged, { ...JSON.parse(text), stranger })
    const costsOf = (content: unknown) => parseSkipEntry(content, names).prior?.costs
    const other = JSON.parse(text)
    other[model.name].costs[0].dtype = 'q4_0'
    assert.equal(costsOf(JSON.parse(skipFileWith(other, about)))?.length, 2)
    other[model.name].mlp = []
    assert.equal(costsOf(JSON.parse(skipFileWith(other, about)))?.length, 1, 'costs of another set are not kept')
  })
})
