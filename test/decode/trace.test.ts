// What each round tells of itself: traces that join to the text, and sums that are the statistics'.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import type { GenerateOptions, RoundTrace } from 'drafthorse/decode'
import { edited, folderOf } from '../checkpoints.ts'
import { everyDraft, logitsAfter } from './drafts.ts'
import { type Collected, collect, outcome, skipping } from './generations.ts'

const prompt = [3, 4, 5, 3, 4, 5, 3, 4]
const settings = { maxNewTokens: 21, ignoreEos: true }
const drafts: Readonly<Record<string, GenerateOptions>> = { none: { draft: 'none' }, ...everyDraft }

/** Drafts that are always right. */
const right: GenerateOptions = { draft: 'skip', skip: skipping([]), draftLength: 6 }

async function traced(
  model: Model,
  options: GenerateOptions,
): Promise<Collected & { readonly rounds: readonly RoundTrace[] }> {
  const rounds: RoundTrace[] = []
  const onRound = (round: RoundTrace): void => void rounds.push(round)
  return { ...(await collect(generate(model, prompt, { ...settings, ...options, onRound }))), rounds }
}

/** Sums, by the names that are there. */
function sums(list: readonly (readonly [name: string, figures: Readonly<Record<string, number>>])[]): unknown {
  const all: Record<string, Record<string, number>> = {}
  for (const [name, figures] of list) {
    const sum = all[name] ?? {}
    for (const [key, figure] of Object.entries(figures)) sum[key] = (sum[key] ?? 0) + figure
    all[name] = sum
  }
  return all
}

describe('the trace of a generation', () => {
  let model: Model
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'), { backend: 'wasm' })
  })
  after(() => model.dispose())

  for (const [name, draft] of Object.entries(drafts)) {
    for (const way of [{}, { temperature: 0.6, topK: 4, seed: 2 }]) {
      it(`joins to the text, and adds up to the statistics: ${name}${way.seed ? ', sampled' : ''}`, async () => {
        const { rounds, result, events } = await traced(model, { ...draft, ...way })
        const { stats, tokens } = result
        let at = prompt.length
        for (const [i, round] of rounds.entries()) {
          assert.equal(round.round, i)
          assert.equal(round.position, at)
          assert.equal(round.tokens.length, round.accepted + 1)
          assert.deepEqual(round.tokens.slice(0, -1), round.drafted.slice(0, round.accepted))
          assert.notEqual(round.tokens.at(-1), round.drafted[round.accepted])
          assert.equal(round.draft === undefined, round.drafted.length === 0)
          assert.equal(round.rows, round.drafted.length + 1)
          assert.ok(round.drafted.length <= round.limit)
          if (name === 'skip by a threshold') assert.equal(round.confidences?.length ?? 0, round.drafted.length)
          else assert.equal(round.confidences, undefined)
          const isLookup = round.draft === 'lookup' || round.draft === 'strict lookup'
          assert.equal(/^(match [1-4]\+?|agrees|differs)$/.test(round.kind ?? ''), isLookup)
          at += round.tokens.length
        }
        assert.deepEqual(
          rounds.flatMap((round) => round.tokens),
          tokens,
        )
        assert.deepEqual(
          rounds.flatMap(({ drafted }) => (drafted.length > 0 ? [drafted] : [])),
          events.flatMap((event) => (event.type === 'draft' ? [event.tokens] : [])),
        )
        assert.equal(stats.rounds, rounds.length)
        assert.deepEqual(
          sums(
            rounds.map(({ drafted, accepted, draftPasses }) => [
              '',
              { drafted: drafted.length, accepted, draftPasses },
            ]),
          ),
          { '': { drafted: stats.draftedTokens, accepted: stats.acceptedTokens, draftPasses: stats.draftPasses } },
        )
        assert.deepEqual(
          sums(
            rounds.flatMap(({ draft, drafted, accepted }) =>
              draft === undefined ? [] : [[draft, { rounds: 1, drafted: drafted.length, accepted }] as const],
            ),
          ),
          stats.drafts,
        )
        const histogram = new Array<number>(Math.max(...rounds.map(({ accepted }) => accepted)) + 1).fill(0)
        for (const { accepted } of rounds) histogram[accepted]!++
        assert.deepEqual(stats.acceptedByRound, histogram)
        assert.equal(stats.acceptanceRate, stats.draftedTokens ? stats.acceptedTokens / stats.draftedTokens : undefined)
        const times = sums(rounds.map(({ milliseconds }) => ['', { ...milliseconds }]))
        const { draft: drafting, verify, sample, decode } = stats.milliseconds
        for (const [sum, figure] of Object.entries({ round: decode, draft: drafting, verify, sample })) {
          const told = Reflect.get(Reflect.get(Object(times), ''), sum)
          assert.ok(Math.abs(told - figure) <= 1e-6 * (1 + figure), `${sum}: ${told}, not ${figure}`)
        }
      })
    }
  }

  it('names several drafts where several were verified', async () => {
    const { result } = await traced(model, { ...everyDraft['several of one’s own'], maxNewTokens: 40 })
    assert.deepEqual(Object.keys(result.stats.drafts).sort(), ['echo', 'good', 'strict lookup'])
  })

  it('has the tokens up to the end of the text, where the model confirmed drafts behind it', async () => {
    const plain = await generate(model, prompt, { ...settings, draft: 'none' }).result
    let cut = 0
    for (const token of new Set(plain.tokens)) {
      await using ending = await loadModel(await edited('llama2-f32', { eos_token_id: token }), { backend: 'wasm' })
      const { rounds, result } = await traced(ending, { ...right, ignoreEos: false })
      assert.equal(result.finishReason, 'eos')
      assert.deepEqual(
        rounds.flatMap((round) => round.tokens),
        result.tokens,
      )
      const last = rounds.at(-1)!
      assert.ok(last.tokens.length <= last.accepted + 1)
      cut += last.accepted + 1 - last.tokens.length
      assert.equal(
        result.stats.acceptedTokens,
        rounds.reduce((sum, { accepted }) => sum + accepted, 0),
      )
    }
    assert.ok(cut > 0)
  })

  it('tells a round that the reader did not see to its end as it was', async () => {
    const rounds: RoundTrace[] = []
    const options = { ...settings, ...right }
    const whole = await generate(model, prompt, { ...options, onRound: (round) => rounds.push(round) }).result
    const long = rounds.find(({ accepted }) => accepted > 2)!
    const seen: RoundTrace[] = []
    const stream = generate(model, prompt, { ...options, onRound: (round) => seen.push(round) })
    const index = long.position - prompt.length
    for await (const event of stream) if (event.type === 'token' && event.index === index) break
    const { tokens } = await stream.result
    assert.deepEqual(tokens, whole.tokens.slice(0, index + 1))
    assert.deepEqual(seen.at(-1)!.tokens, long.tokens)
    assert.equal(seen.length, long.round + 1)
  })

  it('is told once a round, before the round’s events', async () => {
    const order: string[] = []
    const options = { ...settings, ...everyDraft['cascade'], onRound: () => void order.push('round') }
    for await (const { type } of generate(model, prompt, options)) order.push(type)
    assert.match(order.join(' '), /^(round( draft)?( accept)?( reject)?( token)+ )+done$/)
  })

  for (const [name, draft] of Object.entries(drafts)) {
    it(`may throw: that ends the generation with its error, and the cache can be gone on from: ${name}`, async () => {
      const plain = await generate(model, prompt, { ...settings, draft: 'none' }).result
      const mine = new Error('the disk is full')
      const sequence = model.createSequence()
      const told: number[] = []
      const stream = generate(model, prompt, {
        ...settings,
        ...draft,
        sequence,
        onRound({ round }) {
          if (round === 2) throw mine
        },
      })
      const reading = async (): Promise<void> => {
        for await (const event of stream) if (event.type === 'token') told.push(event.id)
      }
      await assert.rejects(reading, (error) => error === mine)
      await assert.rejects(stream.result, (error) => error === mine)
      assert.deepEqual(told, plain.tokens.slice(0, told.length))
      assert.deepEqual(sequence.tokens, [...prompt, ...told].slice(0, -1))
      assert.equal(sequence.length, sequence.tokens.length)

      const rest = await generate(model, [...prompt, ...told], {
        ...settings,
        ...draft,
        sequence,
        maxNewTokens: settings.maxNewTokens - told.length,
      }).result
      assert.equal(rest.stats.reusedTokens, prompt.length + told.length - 1)
      assert.deepEqual([...told, ...rest.tokens], plain.tokens)
      const fresh = model.createSequence()
      await generate(model, prompt, { ...settings, draft: 'none', sequence: fresh }).result
      assert.deepEqual(await logitsAfter(model, sequence), await logitsAfter(model, fresh))
      sequence.dispose()
      fresh.dispose()
      assert.deepEqual(outcome(await generate(model, prompt, { ...settings, ...draft }).result), outcome(plain))
      assert.equal(model.backend.memory().caches, 0)
    })
  }
})
