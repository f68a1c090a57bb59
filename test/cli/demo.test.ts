// The last words of the demo: true of what was measured, whether much was drafted, little, or nothing.
import assert from 'node:assert/strict'
import { type GenerationResult, generate, loadModel, type Model } from 'drafthorse'
import type { RoundTrace } from 'drafthorse/decode'
import { verdict } from '../../cli/demo.ts'
import { run } from './run.ts'

const loved = 'Once upon a time, there was a little girl named Mia. She loved'

describe('the words after the two stories', () => {
  let model: Model
  let plain: GenerationResult
  before(async () => {
    model = await loadModel('stories')
    plain = timed(await generate(model, loved, { draft: 'none', maxNewTokens: 12 }).result, 120)
  })
  after(() => model.dispose())

  /** The result, had decoding taken so long. */
  function timed(result: GenerationResult, ms: number): GenerationResult {
    const { stats, tokens } = result
    const milliseconds = { ...stats.milliseconds, verify: ms, decode: ms }
    return { ...result, stats: { ...stats, milliseconds, tokensPerSecond: (1000 * tokens.length) / ms } }
  }

  /** Rounds that gave so many tokens each, one of which was not drafted. */
  function rounds(gave: readonly number[], { drafting, verify }: { drafting: number; verify: number }): RoundTrace[] {
    return gave.map((count, round) => {
      const drafted = new Array<number>(count > 1 ? 4 : 0).fill(0)
      const draft = drafted.length > 0 ? drafting : 0
      const work = drafted.length > 0 ? verify : 10
      return {
        ...{ round, position: round, draft: drafted.length > 0 ? 'skip' : undefined, kind: undefined, limit: 4 },
        ...{ drafted, accepted: count - 1, confidences: undefined, tokens: new Array<number>(count).fill(0) },
        ...{ rows: drafted.length + 1, draftPasses: drafted.length },
        milliseconds: { round: draft + work, draft, verify: work, sample: 0 },
      }
    })
  }

  function say(gave: readonly number[], cost = { drafting: 4, verify: 12 }): string {
    const all = rounds(gave, cost)
    const ms = all.reduce((sum, { milliseconds }) => sum + milliseconds.round, 0)
    return verdict(model, { plain, speculative: timed(plain, ms), rounds: all, draftLength: 'cost-model' })
  }

  it('speak of no drafts where nothing was drafted, and say how to have some', () => {
    const words = say(new Array<number>(12).fill(1))
    assert.match(words, /^Nothing was drafted, so every pass was a plain one\.\nIn all: 1\.00 times the speed/)
    assert.match(words, /--draft-length 4 drafts in any case\.$/)
    assert.doesNotMatch(words, /checks|slowdown/)
    const bare = { plain, speculative: plain, rounds: rounds([1, 1], { drafting: 0, verify: 0 }), draftLength: 0 }
    assert.doesNotMatch(verdict(model, bare), /--draft-length/)
  })

  it('judge the passes that checked drafts by themselves, where others did not', () => {
    const words = say([1, 1, 1, 1, 5, 3])
    assert.match(
      words,
      /^2 of 6 passes checked drafts\. Such a pass took 1\.2 times as long .* gave 4\.0 tokens, 5 at most;/,
    )
    assert.match(words, /\ndrafting comes on top\. In all: 1\.67 times the speed of plain decoding\.$/)
  })

  it('speak of every pass where all checked drafts', () => {
    assert.match(say([4, 4, 4]), /^A pass that checks drafts took 1\.2 times as long/)
  })

  it('explain a slowdown by drafts only where drafts were slow', () => {
    assert.match(say([4, 4, 4], { drafting: 40, verify: 30 }), /\nThat is a slowdown: on the wasm backend /)
    const slower = timed(plain, 130)
    const fast = rounds([4, 4, 4], { drafting: 4, verify: 12 })
    const words = verdict(model, { plain, speculative: slower, rounds: fast, draftLength: 'cost-model' })
    assert.match(words, /In all: 0\.92 times/)
    assert.doesNotMatch(words, /slowdown/)
  })

  it('close what is shown, drafts of a given length or none', async () => {
    const four = await run(['demo', '--max-new-tokens', '12', '--draft-length', '4'])
    assert.equal(four.code, 0)
    assert.match(four.stdout, /(?:A pass that checks|passes checked) drafts.* times as long as a plain pass/)
    const none = await run(['demo', '--max-new-tokens', '12', '--draft-length', '0'])
    assert.match(none.stdout, /\nNothing was drafted, so every pass was a plain one\.\n/)
    assert.match((await run(['demo', '--help'])).stdout, /\(default:\s+2\)/)
  })
})
