// Time as an injected clock tells it: the statistics, the traces and what a policy hears are exactly that, and no other clock
// is read for them.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import {
  type DraftLength,
  type GenerateOptions,
  generateBatch,
  type RoundReport,
  type RoundTrace,
  type SingleDraft,
  skipLayers,
} from 'drafthorse/decode'
import { folderOf } from '../checkpoints.ts'
import { everyDraft, guessing, someSkipped } from './drafts.ts'
import { watched } from './generations.ts'

const prompt = [3, 4, 5, 3, 4, 5, 3, 4]

/** Every op takes a millisecond, and nothing else takes any, unless a test says so. */
describe('a simulated clock', () => {
  let now = 0
  const clock = (): number => now
  let model: Model
  let undo: () => void
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'), { backend: await watched(() => void now++) })
  })
  after(() => model.dispose())
  /** Another clock that is as wrong as can be. */
  beforeEach(() => {
    now = 5000
    const { performance } = globalThis
    // Below 0, for engine/turn.ts remembers when it last gave way, and must not take that for the future.
    const mine = { now: () => -1e9 * Math.random() }
    const date = Date.now
    Object.defineProperty(globalThis, 'performance', { value: mine, configurable: true, writable: true })
    Date.now = mine.now
    undo = () => {
      Object.defineProperty(globalThis, 'performance', { value: performance, configurable: true, writable: true })
      Date.now = date
    }
  })
  afterEach(() => undo())

  const settings = { maxNewTokens: 15, ignoreEos: true, clock }

  /** The same draft, and what it took. */
  function timed(draft: SingleDraft): { draft: SingleDraft; took: () => number } {
    let sum = 0
    const together: NonNullable<SingleDraft['together']> = async (llama, rounds) => {
      const before = now
      const proposals = await draft.together!(llama, rounds)
      sum += now - before
      return proposals
    }
    return { draft: { ...draft, together }, took: () => sum }
  }

  for (const way of [{}, { temperature: 0.7, seed: 4 }]) {
    it(`is what the times of a generation are by${way.seed ? ', sampled' : ''}`, async () => {
      for (const draftLength of [1, 3, 'threshold'] as const) {
        const { draft, took } = timed(skipLayers(someSkipped))
        const rounds: RoundTrace[] = []
        const options = { ...settings, ...way, draft, draftLength, onRound: (round: RoundTrace) => rounds.push(round) }
        const started = now
        const { stats } = await generate(model, prompt, options).result
        const { prefill, draft: drafting, verify, sample, decode } = stats.milliseconds
        assert.equal(prefill + decode, now - started)
        assert.equal(drafting, took())
        assert.equal(drafting + verify, decode)
        assert.equal(sample, 0)
        assert.ok(prefill > 0 && drafting > 0 && verify > 0)
        assert.equal(stats.tokensPerSecond, 15 / (decode / 1000))
        for (const { milliseconds } of rounds) {
          assert.equal(milliseconds.round, milliseconds.draft + milliseconds.verify)
          assert.equal(milliseconds.sample, 0)
        }
        assert.equal(
          rounds.reduce((sum, { milliseconds }) => sum + milliseconds.draft, 0),
          took(),
        )
      }
    })
  }

  it('stands still for the reader, who takes none of the generation’s time', async () => {
    const lazy = async (pause: number): Promise<unknown> => {
      const rounds: RoundTrace[] = []
      const stream = generate(model, prompt, {
        ...settings,
        ...everyDraft['cascade'],
        onRound: (round) => rounds.push(round),
      })
      for await (const _ of stream) now += pause
      const { milliseconds, tokensPerSecond } = (await stream.result).stats
      return { milliseconds, tokensPerSecond, rounds }
    }
    const quick = await lazy(0)
    assert.deepEqual(await lazy(1000), quick)
  })

  it('times the choice of tokens, of drafts and of the model, each by itself', async () => {
    for (const accept of ['equality', 'rejection'] as const) {
      let drawn = 0
      const lookAt = (): number => {
        now++
        return 0
      }
      /** Draws from logits that take a millisecond to look at. */
      const slow: SingleDraft = {
        name: 'slow',
        start: () => ({
          async propose({ sequence, newest, sampler }) {
            const logits = new Array<number>(320).fill(0)
            Object.defineProperty(logits, 7, { get: lookAt })
            drawn++
            const token = sampler!.choose(logits, [...sequence.tokens, newest])
            return { tokens: [token], passes: 0, sublayersRun: 0 }
          },
        }),
      }
      const rounds: RoundTrace[] = []
      const { stats } = await generate(model, prompt, {
        ...settings,
        temperature: 1,
        seed: 2,
        accept,
        draft: slow,
        draftLength: 2,
        onRound: (round) => rounds.push(round),
      }).result
      assert.ok(drawn > 5)
      assert.equal(stats.milliseconds.sample, drawn)
      assert.equal(stats.milliseconds.draft, drawn)
      assert.deepEqual(
        rounds.map(({ milliseconds }) => milliseconds.sample),
        rounds.map(({ drafted }) => drafted.length),
      )
    }
  })

  it('is what policies hear of, and what is said to have been won', async () => {
    const reports: RoundReport[] = []
    const policy: DraftLength = {
      name: 'by turns',
      start() {
        let asked = 0
        return {
          next: () => ({ most: asked++ % 2 === 0 ? 0 : 2 }),
          observe: (report) => void reports.push(report),
          predictedSpeedup: () => 1.25,
        }
      },
    }
    const rounds: RoundTrace[] = []
    const options: GenerateOptions = { ...settings, draft: 'skip', skip: someSkipped, draftLength: policy }
    const { stats } = await generate(model, prompt, { ...options, onRound: (round) => rounds.push(round) }).result
    assert.deepEqual(
      reports.map(({ ms, draftMs, verifyMs, rows, draftPasses }) => ({ ms, draftMs, verifyMs, rows, draftPasses })),
      rounds.map(({ milliseconds, rows, draftPasses }) => ({
        ms: milliseconds.round,
        draftMs: milliseconds.draft,
        verifyMs: milliseconds.verify,
        rows,
        draftPasses,
      })),
    )
    // every plain step makes the same ops
    const plain = rounds.filter(({ draft }) => draft === undefined).map(({ milliseconds }) => milliseconds.round)
    assert.ok(plain.length >= 4)
    assert.equal(new Set(plain).size, 1)
    const measured = (plain[0]! * 15) / stats.milliseconds.decode
    assert.deepEqual(stats.speedup, { predicted: 1.25, measured })
  })

  it('knows no speed-up by rounds that drafted nothing where these are fewer than three, the first apart', async () => {
    const wrong = guessing('wrong', (history, limit) => (history.length > 11 ? [0] : []).slice(0, limit))
    const speedups: (number | undefined)[] = []
    for (const maxNewTokens of [3, 4, 5, 6]) {
      const { stats } = await generate(model, prompt, { ...settings, maxNewTokens, draft: wrong, draftLength: 1 })
        .result
      speedups.push(stats.speedup.measured)
    }
    // The prompt has 8 tokens, so rounds 0 to 3 are plain; the last of a text always is.
    assert.deepEqual(speedups.slice(0, 1), [undefined])
    assert.ok(speedups.slice(1).every((speedup) => speedup !== undefined))
  })

  it('measures the speed-up by steps that showed nothing', async () => {
    const reports: RoundReport[] = []
    const policy: DraftLength = {
      name: 'shows most of the time',
      start: () => ({
        next: () => ({ most: 0 }),
        wantsExit: () => reports.length % 4 !== 0,
        observe: (report) => void reports.push(report),
      }),
    }
    const { stats } = await generate(model, prompt, { ...settings, exitLayer: 2, draft: 'skip', draftLength: policy })
      .result
    const plain = reports.filter(({ showedExit }) => !showedExit).map(({ ms }) => ms)
    const shown = reports.filter(({ showedExit }) => showedExit).map(({ ms }) => ms)
    assert.deepEqual([plain.length, shown.length, new Set(plain).size], [4, 11, 1])
    assert.ok(Math.min(...shown) > plain[0]!)
    const { decode } = stats.milliseconds
    assert.equal(stats.speedup.measured, (15 * plain[0]!) / decode)
    assert.ok(stats.speedup.measured < 1)
  })

  it('measures the speed-up of each text of a batch over as many texts at once that draft nothing', async () => {
    const reports: RoundReport[] = []
    const policy: DraftLength = {
      name: 'three',
      start: () => ({ next: () => ({ most: 3 }), observe: (report) => void reports.push(report) }),
    }
    // For the second text alone, only as long as that is short, and not in an instant.
    const slow = guessing('slow', (history, limit) => {
      if (history[0] !== 9 || history.length >= 10) return []
      now += 7
      return [0, 0, 0].slice(0, limit)
    })
    const texts = [
      { prompt, maxNewTokens: 15 },
      { prompt: [9, 8, 7], maxNewTokens: 11 },
    ]
    const [first, second] = await generateBatch(model, texts, { ...settings, draft: slow, draftLength: policy }).result
    const together = reports.filter(({ lanes }) => lanes.length === 2)
    const alone = reports.slice(together.length)
    const plain = together.filter(({ rows }) => rows === 2).map(({ ms }) => ms)
    assert.ok(plain.length >= 3 && plain.length < together.length && alone.length >= 3)
    const [two, one] = [plain[0]!, alone[0]!.ms]
    assert.ok(two < 2 * one, 'a text of two costs less than one by itself')
    const ms = (rounds: readonly RoundReport[]): number => rounds.reduce((sum, round) => sum + round.ms, 0)
    const close = (figure: number | undefined, expected: number): void => {
      assert.ok(figure !== undefined && Math.abs(figure / expected - 1) < 1e-9, `${figure}, expected ${expected}`)
    }
    close(second!.stats.speedup.measured, (11 * two) / ms(together))
    const plainly = (together.length * two) / 2 + alone.length * one
    close(first!.stats.speedup.measured, plainly / (ms(together) / 2 + ms(alone)))
    assert.ok(ms(together) > together.length * two, 'rounds that draft take longer')
  })

  it('is shared by the texts of a batch, each of which has its part', async () => {
    const { draft, took } = timed(skipLayers(someSkipped))
    const prompts = [prompt, [9, 8, 7], [100]]
    let drafting = 0
    let round = 0
    const policy: DraftLength = {
      name: 'two',
      start: () => ({
        next: () => ({ most: 2 }),
        observe(report) {
          drafting += report.draftMs
          round += report.ms
        },
      }),
    }
    const started = now
    const batch = { ...settings, samples: 2, width: 4, draft, draftLength: policy }
    const results = await generateBatch(model, prompts, batch).result
    const sum = (of: 'prefill' | 'draft' | 'verify' | 'decode' | 'sample'): number =>
      results.reduce((all, { stats }) => all + stats.milliseconds[of], 0)
    const close = (figure: number, expected: number): void => assert.ok(Math.abs(figure / expected - 1) < 1e-9)
    assert.equal(drafting, took())
    close(sum('draft'), drafting)
    close(sum('decode'), round)
    close(sum('draft') + sum('verify'), round)
    close(sum('prefill') + sum('decode'), now - started)
    assert.equal(sum('sample'), 0)
  })
})
