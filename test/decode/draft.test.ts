// Drafts of one's own, through the public interface: whatever they propose, the output is that of plain decoding.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import {
  acceptEqual,
  type Draft,
  type DraftRound,
  type GenerateOptions,
  type Proposal,
  skipLayers,
} from 'drafthorse/decode'
import { withOps } from 'drafthorse/engine'
import { reference } from 'drafthorse/engine/reference'
import { advance, type Llama } from 'drafthorse/model'
import fc from 'fast-check'
import { folderOf } from '../checkpoints.ts'
import { assertNothingHeld, collect, outcome, skipping } from './generations.ts'

const prompt = [168, 102, 252, 316, 115, 7]
const settings = { maxNewTokens: 14, ignoreEos: true, draftLength: 8 }

type Propose = (round: DraftRound, model: Llama) => Proposal | Promise<Proposal>

function draftOf(propose: Propose): Draft {
  return { name: 'mine', start: (model) => ({ propose: async (round) => propose(round, model) }) }
}

const hostIds = (tokens: readonly number[]): Proposal => ({ tokens, passes: 0, sublayersRun: 0 })

describe('acceptEqual', () => {
  it("accepts drafts up to the first that differs, adds the model's own, and asks for no more", () => {
    for (const [drafted, choices, asked] of [
      [[], [5], 1],
      [[1, 2, 3], [1, 2, 3, 4], 4],
      [[1, 2, 3], [1, 9, 3, 4], 2],
      [[1], [2, 1], 1],
    ] as const) {
      const places: number[] = []
      const tokens = acceptEqual(drafted, (at) => {
        places.push(at)
        return choices[at]!
      })
      assert.deepEqual(tokens, choices.slice(0, asked))
      assert.deepEqual(places, [...places.keys()])
      assert.equal(places.length, asked)
    }
  })
})

describe("a draft of one's own", () => {
  let model: Model
  let expected: readonly number[]
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'))
    expected = (await generate(model, prompt, { ...settings, draft: 'none' }).result).tokens
  })
  after(() => model.dispose())
  afterEach(() => {
    assertNothingHeld(model)
  })

  const run = (draft: Draft, options: GenerateOptions = {}) =>
    collect(generate(model, prompt, { ...settings, ...options, draft }))

  /** The tokens that plain decoding gives next. */
  const coming = ({ sequence }: DraftRound): readonly number[] => expected.slice(sequence.length + 1 - prompt.length)

  it('may propose ids from the host: right ones are all accepted', async () => {
    const { result } = await run(
      draftOf((round) => hostIds(coming(round).slice(0, round.limit))),
      { draftLength: 4 },
    )
    assert.deepEqual(result.tokens, expected)
    assert.equal(result.stats.acceptanceRate, 1)
    assert.equal(result.stats.rounds, 3)
    assert.equal(result.stats.draft, 'mine')
    assert.equal(result.stats.skip, undefined)
  })

  it('may be wrong always', async () => {
    const wrong = draftOf((round) =>
      hostIds(
        coming(round)
          .slice(0, round.limit)
          .map((id) => (id + 1) % 320),
      ),
    )
    const { result } = await run(wrong)
    assert.deepEqual(result.tokens, expected)
    assert.deepEqual([result.stats.acceptanceRate, result.stats.rounds], [0, 14])
  })

  it('may propose nothing, and makes plain steps then', async () => {
    const { events, result } = await run(draftOf(() => hostIds([])))
    assert.deepEqual(result.tokens, expected)
    assert.deepEqual([result.stats.draftedTokens, result.stats.rounds], [0, 14])
    assert.ok(events.every(({ type }) => type === 'token' || type === 'done'))
  })

  it('may propose anything: the tokens are those of plain decoding', async () => {
    const anyIds = fc.array(fc.oneof(fc.integer({ min: 0, max: 319 }), fc.constant('right' as const)), { maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(fc.array(anyIds, { minLength: 1, maxLength: 14 }), async (rounds) => {
        let round = 0
        const draft = draftOf((at) => {
          const next = coming(at)
          const ids = rounds[round++ % rounds.length]!.map((id, i) => (id === 'right' ? next[i]! : id))
          return hostIds(ids.slice(0, at.limit))
        })
        assert.deepEqual((await run(draft)).result.tokens, expected)
      }),
      { numRuns: 30 },
    )
  })

  it('may mix ids from the host with ids that are still on the device', async () => {
    const mixed = draftOf(async (round, model) => {
      const session = skipLayers(skipping([2])).start(model)
      assert.ok('propose' in session)
      const proposal = await session.propose(round)
      const [next] = coming(round)
      const tokens = [next ?? 0, ...proposal.tokens.slice(1)]
      return { ...proposal, tokens, prefix: { ...proposal.prefix!, rows: 1 } }
    })
    assert.deepEqual((await run(mixed)).result.tokens, expected)
  })

  it('may know the prefix of any number of rows, also of all', async () => {
    const to = 3
    for (let known = 0; known <= 4; known++) {
      const draft = draftOf((round, model) => {
        const tokens = coming(round).slice(0, round.limit)
        const rows = Math.min(known, tokens.length + 1)
        if (rows === 0) return hostIds(tokens)
        const { sequence, arena, newest } = round
        const pass = model.rows([{ sequence, count: rows }], arena)
        const hidden = model.run(model.embed(Int32Array.from([newest, ...tokens].slice(0, rows)), pass), pass, { to })
        advance(sequence, rows)
        return { tokens, prefix: { to, hidden, rows }, passes: 1, sublayersRun: rows * to }
      })
      const { result } = await run(draft, { draftLength: 3 })
      assert.deepEqual(result.tokens, expected, `${known} rows known`)
      assert.equal(result.stats.sublayersRun, 14 * 8)
    }
  })

  it('that proposes too many is refused with a typed error', async () => {
    const greedy = draftOf((round) => hostIds(new Array<number>(round.limit + 1).fill(0)))
    await assert.rejects(run(greedy, { draftLength: 4 }), {
      code: 'ERR_ARGUMENT',
      message: /draft "mine" proposed 5 tokens, expected 4 at most/,
    })
  })

  it('that proposes tokens outside the vocabulary is refused with a typed error', async () => {
    for (const id of [-1, 320]) {
      await assert.rejects(run(draftOf(() => hostIds([id]))), {
        code: 'ERR_ARGUMENT',
        message: new RegExp(`draft "mine" proposed the token ${id}, .* 0 to 319`),
      })
    }
  })

  it('that throws ends the generation with its error, in start or in a round', async () => {
    const mine = new Error('out of ideas')
    const inStart: Draft = {
      name: 'mine',
      start() {
        throw mine
      },
    }
    const inRound = draftOf(({ sequence, newest }) => {
      if (newest === expected[0]) return hostIds([])
      advance(sequence, 2)
      throw mine
    })
    for (const draft of [inStart, inRound]) await assert.rejects(run(draft), (error) => error === mine)
  })

  it('is started once for every generation, and asked for 1 token at least, never past the end', async () => {
    const limits: number[] = []
    let started = 0
    const draft: Draft = {
      name: 'mine',
      start() {
        started++
        return {
          async propose({ limit }) {
            limits.push(limit)
            return hostIds([])
          },
        }
      },
    }
    await run(draft, { draftLength: 5 })
    assert.equal(started, 1)
    assert.deepEqual(limits, [5, 5, 5, 5, 5, 5, 5, 5, 5, 4, 3, 2, 1])
  })

  it('may be used by several generations at once', async () => {
    const draft = skipLayers(skipping([1]))
    const results = await Promise.all([run(draft), run(draft, { draftLength: 2 }), run(draft, { draftLength: 1 })])
    for (const { result } of results) assert.deepEqual(result.tokens, expected)
  })
})

describe('a token whose logits are not numbers', () => {
  const broken = 300
  let model: Model
  before(async () => {
    const { ops } = await reference.open({})
    const embed: typeof ops.embed = (out, ids, options) => {
      ops.embed(out, ids, options)
      const list = ids instanceof Int32Array ? ids : (ids.data as Int32Array) // ids are i32
      for (const [row, id] of list.entries()) {
        if (id === broken) (out.data as Float32Array).fill(Number.NaN, row * 64, (row + 1) * 64) // rows are f32
      }
    }
    model = await loadModel(folderOf('llama2-f32'), { backend: withOps(reference, { embed }) })
  })
  after(() => model.dispose())

  it('is a typed error that names the position, plain or speculative', async () => {
    for (const options of [{ draft: 'none' }, { draft: 'skip', skip: skipping([1]), draftLength: 3 }] as const) {
      await assert.rejects(generate(model, [5, 6, broken], options).result, {
        code: 'ERR_NUMERIC',
        message: /position 2/,
      })
    }
  })

  it('does no harm in a draft that is rejected', async () => {
    const plain = await generate(model, prompt, { ...settings, draft: 'none' }).result
    assert.ok(!plain.tokens.includes(broken))
    const draft = draftOf(({ limit }) => hostIds(new Array<number>(limit).fill(broken)))
    assert.deepEqual(outcome(await generate(model, prompt, { ...settings, draft }).result), outcome(plain))
  })
})
