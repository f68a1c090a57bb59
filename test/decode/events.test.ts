// What a generation reports: events in their order, text in pieces, and figures that add up.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import type { GenerateOptions, GenerationEvent } from 'drafthorse/decode'
import { folderOf, stories260K } from '../checkpoints.ts'
import { type Collected, collect, skipping } from './generations.ts'

const prompt = [168, 102, 252, 316, 115, 7]

/** A round's events as letters: drafts, accepted, rejected, then its tokens from the draft or the model. */
function shape(events: readonly GenerationEvent[]): string {
  return events
    .map((event) => (event.type === 'token' ? (event.source === 'draft' ? '+' : '.') : event.type[0]))
    .join('')
}

describe('the events of a generation', () => {
  let model: Model
  let stories: Model
  before(async () => {
    model = await loadModel(folderOf('gqa-tied-bf16'))
    stories = await loadModel(stories260K)
  })
  after(async () => {
    await model.dispose()
    await stories.dispose()
  })

  const run = (options: GenerateOptions): Promise<Collected> =>
    collect(generate(model, prompt, { maxNewTokens: 24, ignoreEos: true, ...options }))

  it('of plain decoding are its tokens, then done', async () => {
    const { events, result } = await run({ draft: 'none' })
    assert.match(shape(events), /^\.{24}d$/)
    assert.deepEqual(events.at(-1), { type: 'done', result })
  })

  it('of speculative decoding are, round by round: draft, what was accepted and rejected of it, and tokens', async () => {
    for (const skip of [skipping([]), skipping([1], 'attention'), skipping([2, 3])]) {
      const { events } = await run({ draft: 'skip', skip, draftLength: 3 })
      assert.match(shape(events), /^(d(a\+{1,3}\.|ar\+{1,2}\.|r\.)|\.)*d$/)
    }
  })

  it('name the tokens that they are about', async () => {
    const { events } = await run({ draft: 'skip', skip: skipping([1], 'attention'), draftLength: 3 })
    const rounds: { draft: readonly number[]; accept: readonly number[]; reject?: number; tokens: number[] }[] = []
    for (const event of events) {
      const round = rounds.at(-1)
      if (event.type === 'draft') rounds.push({ draft: event.tokens, accept: [], tokens: [] })
      else if (event.type === 'accept') round!.accept = event.tokens
      else if (event.type === 'reject') {
        assert.equal(event.token, round!.draft[round!.accept.length])
        assert.notEqual(event.token, event.instead)
        round!.reject = event.instead
      } else if (event.type === 'token') round!.tokens.push(event.id)
    }
    for (const { draft, accept, reject, tokens } of rounds.slice(0, -1)) {
      assert.deepEqual(accept, draft.slice(0, accept.length))
      assert.deepEqual(tokens.slice(0, -1), accept)
      if (accept.length < draft.length) assert.equal(reject, tokens.at(-1))
    }
    assert.ok(rounds.some(({ accept }) => accept.length > 0) && rounds.some(({ reject }) => reject !== undefined))
  })

  it('carry every token of the result, in order', async () => {
    for (const options of [{ draft: 'none' }, { draft: 'skip', skip: skipping([2, 3]), draftLength: 3 }] as const) {
      const { events, result } = await run(options)
      const tokens = events.filter((event) => event.type === 'token')
      assert.deepEqual(
        tokens.map(({ id, index }) => [id, index]),
        result.tokens.map((id, index) => [id, index]),
      )
    }
  })

  it('carry text that joins to the text of the result', async () => {
    for (const draft of ['none', 'skip'] as const) {
      const options = { draft, skip: skipping([3]), draftLength: 4, maxNewTokens: 40 }
      const { events, result } = await collect(generate(stories, 'Lily saw a', options))
      const text = events.map((event) => (event.type === 'token' ? event.text : '')).join('')
      assert.equal(text, result.text)
      const ids = stories.tokenizer.encode('Lily saw a')
      assert.equal(`Lily saw a${text}`, stories.tokenizer.decode([...ids, ...result.tokens]))
    }
  })
})

describe('the figures of a generation', () => {
  const sets = {
    'nothing skipped': skipping([]),
    'some skipped': skipping([1], 'attention'),
    all: skipping([0, 1, 2, 3]),
  }
  let model: Model
  before(async () => {
    model = await loadModel(folderOf('gqa-tied-bf16'))
  })
  after(() => model.dispose())

  for (const [name, skip] of Object.entries(sets)) {
    it(`add up with the events: ${name}`, async () => {
      for (const draftLength of [1, 3, 6]) {
        const options = { maxNewTokens: 24, ignoreEos: true, draft: 'skip', skip, draftLength } as const
        const { events, result } = await collect(generate(model, prompt, options))
        const { stats, tokens } = result
        const count = (type: GenerationEvent['type']): number => events.filter((event) => event.type === type).length
        const listed = (type: 'draft' | 'accept'): number =>
          events.reduce((sum, event) => sum + (event.type === type ? event.tokens.length : 0), 0)
        const fromModel = events.filter((event) => event.type === 'token' && event.source === 'model').length

        assert.equal(stats.newTokens, tokens.length)
        assert.equal(stats.promptTokens, prompt.length)
        assert.equal(stats.prefillPasses, 1)
        assert.equal(stats.draftedTokens, listed('draft'))
        assert.equal(stats.draftPasses, stats.draftedTokens)
        assert.equal(stats.acceptedTokens, listed('accept'))
        assert.equal(stats.acceptanceRate, stats.acceptedTokens / stats.draftedTokens)
        assert.equal(
          stats.acceptedByRound.reduce((sum, rounds) => sum + rounds, 0),
          stats.rounds,
        )
        assert.equal(
          stats.acceptedByRound.reduce((sum, rounds, accepted) => sum + rounds * accepted, 0),
          stats.acceptedTokens,
        )
        // maxNewTokens bounds the drafts, so that every round's own token is kept
        assert.equal(stats.acceptedTokens + stats.rounds, tokens.length)
        assert.equal(fromModel, stats.rounds)
        assert.ok(count('draft') <= stats.rounds)
      }
    })
  }

  it('count the sublayers that ran: none twice for what the draft had done already', async () => {
    const sublayers = 8
    const settings = { maxNewTokens: 9, ignoreEos: true, draft: 'skip', draftLength: 2 } as const
    const work = async (options: GenerateOptions): Promise<readonly number[]> => {
      const { stats } = await generate(model, prompt, { ...settings, ...options }).result
      return [stats.rounds, stats.sublayersRun]
    }
    assert.deepEqual(await work({ draft: 'none' }), [9, 9 * sublayers])
    // nothing skipped: drafts run every sublayer of 2 rows, and verification those of the third
    assert.deepEqual(await work({ skip: skipping([]) }), [3, 3 * 3 * sublayers])
    // everything skipped: drafts run nothing, verification all
    const [rounds, run] = await work({ skip: skipping([0, 1, 2, 3]) })
    const { stats } = await generate(model, prompt, { ...settings, skip: skipping([0, 1, 2, 3]) }).result
    assert.equal(run, (rounds! + stats.draftedTokens) * sublayers)
  })

  it('know no acceptance rate where nothing was drafted', async () => {
    const { stats } = await generate(model, prompt, { draft: 'none', maxNewTokens: 3, ignoreEos: true }).result
    assert.equal(stats.acceptanceRate, undefined)
    assert.deepEqual(stats.acceptedByRound, [3])
    assert.deepEqual([stats.draftedTokens, stats.draftPasses, stats.rounds], [0, 0, 3])
  })

  it('are times that are not negative, and a rate that fits them', async () => {
    const { stats } = await generate(model, prompt, {
      draft: 'skip',
      skip: skipping([2]),
      draftLength: 2,
      maxNewTokens: 9,
      ignoreEos: true,
    }).result
    const { prefill, draft, verify, decode } = stats.milliseconds
    assert.ok(prefill > 0 && draft > 0 && verify > 0 && decode >= draft + verify)
    assert.equal(stats.tokensPerSecond, 9 / (decode / 1000))
  })
})
