// Who is asked, when, and with what: guesses before every round, with all tokens so far; the later of several drafts where the
// earlier have nothing, with the sequence where the round began.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import {
  cascade,
  type Draft,
  type DraftAsk,
  type DraftLength,
  type DraftLengthStart,
  type GenerateOptions,
  generateBatch,
  type LaneReport,
  type RoundReport,
  type RoundTrace,
  type SingleDraft,
  skipLayers,
} from 'drafthorse/decode'
import { advance } from 'drafthorse/model'
import { edited, folderOf } from '../checkpoints.ts'
import { guessing, someSkipped } from './drafts.ts'
import { assertNothingHeld, outcome, skipping } from './generations.ts'

const prompt = [168, 102, 252, 316, 115, 7]
const settings = { maxNewTokens: 24, ignoreEos: true }

describe('the drafts of a generation', () => {
  let model: Model
  let expected: readonly number[]
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'), { backend: 'wasm' })
    expected = (await generate(model, prompt, { ...settings, draft: 'none' }).result).tokens
  })
  after(() => model.dispose())
  afterEach(() => {
    assertNothingHeld(model)
  })

  /** The tokens of plain decoding that follow `length` of the text. */
  const coming = (length: number): readonly number[] => expected.slice(length - prompt.length)

  async function run(options: GenerateOptions): Promise<readonly RoundTrace[]> {
    const rounds: RoundTrace[] = []
    const all = { ...settings, ...options, onRound: (round: RoundTrace) => rounds.push(round) }
    assert.deepEqual((await generate(model, prompt, all).result).tokens, expected)
    return rounds
  }

  /** Keeps what it is asked, and guesses the truth. */
  function knowing(name: string, asked: { history: readonly number[]; limit: number }[], count = 9): SingleDraft {
    return guessing(name, (history, limit) => {
      asked.push({ history: [...history], limit })
      return coming(history.length).slice(0, Math.min(limit, count))
    })
  }

  /** These limits for these drafts. */
  const limits = (most: (ask: DraftAsk) => number): DraftLength => ({
    name: 'limits',
    start: () => ({ next: (ask) => ({ most: most(ask) }) }),
  })

  for (const [name, most] of Object.entries({
    'is never verified': () => 0,
    'is verified': () => 2,
    'is verified now and then': ({ guessed }: DraftAsk) => (guessed! % 2 === 0 ? 3 : 0),
  })) {
    it(`guess before every round that has room, with all tokens so far, where what they guess ${name}`, async () => {
      const asked: { history: readonly number[]; limit: number }[] = []
      const rounds = await run({ draft: knowing('mine', asked), draftLength: limits(most) })
      const whole = [...prompt, ...expected]
      const roomy = rounds.filter(({ position }) => position < whole.length - 1)
      assert.deepEqual(
        asked,
        roomy.map(({ position }) => ({ history: whole.slice(0, position), limit: whole.length - position - 1 })),
      )
    })
  }

  it('guess also while another is verified, and one after the other is asked for a limit until one has something', async () => {
    const [first, second]: { history: readonly number[]; limit: number }[][] = [[], []]
    const asks: DraftAsk[] = []
    const draftLength = limits((ask) => {
      asks.push(ask)
      return ask.draft === 'second' ? 2 : 0
    })
    const rounds = await run({ draft: cascade(knowing('first', first!), knowing('second', second!, 1)), draftLength })
    assert.deepEqual(first, second)
    const drafting = rounds.filter(({ draft }) => draft !== undefined)
    assert.ok(drafting.length > 3 && drafting.every(({ draft, accepted }) => draft === 'second' && accepted === 1))
    assert.deepEqual(
      asks.map(({ draft }) => draft),
      drafting.flatMap(() => ['first', 'second']),
    )
    assert.ok(asks.every(({ lanes, guessed, draft }) => lanes === 1 && (draft === 'first' || guessed === 1)))
  })

  it('are asked later only where the earlier have nothing, with the sequence where the round began', async () => {
    const order: string[] = []
    /** Leaves the sequence ahead, with rows of nonsense behind what is committed. */
    const messy = (name: string, has: (length: number) => boolean): SingleDraft => ({
      name,
      start: (llama) => ({
        async propose({ sequence, newest, arena, limit }) {
          order.push(`${name} ${sequence.length}`)
          assert.equal(newest, [...prompt, ...expected][sequence.length])
          assert.deepEqual(sequence.tokens, [...prompt, ...expected].slice(0, sequence.length))
          const { length } = sequence
          for (const id of [1, 2]) {
            const rows = llama.rows([{ sequence, count: 1 }], arena)
            llama.run(llama.embed(Int32Array.of(id), rows), rows)
            advance(sequence, 1)
          }
          const tokens = has(length) ? coming(length + 1).slice(0, Math.min(limit, 2)) : []
          return { tokens, passes: 2, sublayersRun: 2 * llama.sublayers }
        },
      }),
    })
    const draft = cascade(
      messy('a', (length) => length % 4 === 0),
      messy('b', (length) => length % 2 === 0),
      guessing('c', (history, limit) =>
        history.length % 3 === 0 ? coming(history.length).slice(0, Math.min(1, limit)) : [],
      ),
      skipLayers(someSkipped),
    )
    const rounds = await run({ draft, draftLength: 2 })
    const wanted = rounds.flatMap(({ position }) => {
      const length = position - 1
      if (position >= prompt.length + expected.length - 1) return []
      return length % 4 === 0 ? [`a ${length}`] : [`a ${length}`, `b ${length}`]
    })
    assert.deepEqual(order, wanted)
    for (const { position, draft, draftPasses, drafted } of rounds) {
      const length = position - 1
      if (position >= prompt.length + expected.length - 1) {
        assert.deepEqual([draft, draftPasses], [undefined, 0])
        continue
      }
      const by = length % 4 === 0 ? 'a' : length % 2 === 0 ? 'b' : position % 3 === 0 ? 'c' : 'skip'
      // passes of drafts that had nothing count as well, whatever comes after them
      const passes = { a: 2, b: 4, c: 4, skip: 4 + drafted.length }[by]
      assert.deepEqual([draft, draftPasses], [by, passes], `position ${position}`)
    }
    assert.deepEqual(new Set(rounds.flatMap(({ draft }) => draft ?? [])), new Set(['a', 'b', 'c', 'skip']))
  })

  it('count what those ran that had nothing', async () => {
    let asked = 0
    const idle: SingleDraft = {
      name: 'idle',
      start: () => ({
        async propose() {
          asked++
          return { tokens: [], passes: 1, sublayersRun: 1000 }
        },
      }),
    }
    for (const later of [guessing('wrong', () => [0]), skipLayers(skipping([1]))]) {
      const work = async (draft: Draft): Promise<readonly number[]> => {
        const { stats } = await generate(model, prompt, { ...settings, draft, draftLength: 1 }).result
        return [stats.draftPasses, stats.sublayersRun, stats.rounds]
      }
      const [passes, run, rounds] = await work(later)
      asked = 0
      const both = await work(cascade(idle, later))
      assert.ok(asked >= rounds! - 1)
      assert.deepEqual(both, [passes! + asked, run! + 1000 * asked, rounds])
    }
  })

  it('are scored where they guess and are not verified, up to the end of the text, and only there', async () => {
    const scored: LaneReport[] = []
    const started: DraftLengthStart[] = []
    const policy: DraftLength = {
      name: 'shadow',
      start(about) {
        started.push(about)
        return { next: () => ({ most: 0 }), observeGuess: (report) => void scored.push(report) }
      },
    }
    await run({
      draft: cascade(
        knowing('right', [], 3),
        guessing('wrong', (_, limit) => [0, 0].slice(0, limit)),
      ),
      draftLength: policy,
    })
    assert.deepEqual(
      started.map(({ drafts }) => drafts),
      [['right', 'wrong']],
    )
    for (const [name, right] of [
      ['right', true],
      ['wrong', false],
    ] as const) {
      const mine = scored.filter(({ draft }) => draft === name)
      // one guess in each of 24 rounds but the last, those at the end of what was left of the text
      assert.equal(mine.length, settings.maxNewTokens - 1)
      assert.ok(mine.every(({ accepted, drafted }) => drafted >= 1 && accepted === (right ? drafted : 0)))
    }
    const before = scored.length
    const verified: DraftLength = {
      ...policy,
      start: () => ({ ...policy.start({ drafts: [], freeReads: true }), next: () => ({ most: 3 }) }),
    }
    await run({ draft: knowing('right', [], 3), draftLength: verified })
    assert.equal(scored.length, before)
  })

  it('are scored as far as the text went, where it ended before what they guess', async () => {
    const last = expected.findIndex((token, i) => i >= 5 && expected.indexOf(token) === i)
    await using ending = await loadModel(await edited('llama2-f32', { eos_token_id: expected[last] }), {
      backend: 'wasm',
    })
    const scored: LaneReport[] = []
    const draftLength: DraftLength = {
      name: 'shadow',
      start: () => ({ next: () => ({ most: 0 }), observeGuess: (report) => void scored.push(report) }),
    }
    const options = { ...settings, ignoreEos: false, draft: knowing('right', [], 6), draftLength }
    const { tokens, finishReason } = await generate(ending, prompt, options).result
    assert.deepEqual([tokens.length, finishReason], [last + 1, 'eos'])
    const came = tokens.map((_, round) => Math.min(6, tokens.length - round))
    assert.deepEqual(
      scored.map(({ limit, drafted, accepted }) => ({ limit, drafted, accepted })),
      came.map((count) => ({ limit: 6, drafted: count, accepted: count })),
    )
    assert.ok(came.some((count) => count < 6))
  })

  it('that answer for other than the sequences of their round are refused with a typed error', async () => {
    const short: SingleDraft = { ...skipLayers(someSkipped), together: async () => [] }
    await assert.rejects(generate(model, prompt, { ...settings, draft: short, draftLength: 2 }).result, {
      code: 'ERR_ARGUMENT',
      message: /proposed for 0 sequences, not for 1/,
    })
  })

  it('have a session for each text of a batch, and one policy that hears of all', async () => {
    let sessions = 0
    let observed = 0
    const observe = ({ lanes }: RoundReport): void => {
      observed += lanes.length
    }
    const histories: (readonly number[])[] = []
    const draft: SingleDraft = {
      name: 'mine',
      start() {
        sessions++
        let last: readonly number[] = []
        return {
          guess(history) {
            assert.deepEqual(history.slice(0, last.length), last)
            last = [...history]
            histories.push(last)
            return { tokens: [] }
          },
        }
      },
    }
    const draftLength: DraftLength = {
      name: 'hearing',
      start: () => ({ next: () => ({ most: 3 }), observe }),
    }
    const prompts = [prompt, [1, 2], [3]]
    const results = await generateBatch(model, prompts, { ...settings, draft, draftLength }).result
    assert.equal(sessions, 3)
    assert.equal(observed, 3 * settings.maxNewTokens)
    assert.equal(histories.length, 3 * (settings.maxNewTokens - 1))
    for (const [i, result] of results.entries()) {
      const alone = await generate(model, prompts[i]!, { ...settings, draft: 'none' }).result
      assert.deepEqual(outcome(result), outcome(alone))
    }
  })
})
