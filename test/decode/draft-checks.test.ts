// Drafts that say what no draft should: each is a typed error that names the draft and the value, alone and in a batch, or does
// no harm.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import {
  cascade,
  type Draft,
  type DraftRound,
  type GenerateOptions,
  type Guess,
  generateBatch,
  type Proposal,
  promptLookup,
  type RoundTrace,
  type SingleDraft,
  skipLayers,
  threshold,
} from 'drafthorse/decode'
import { withOps } from 'drafthorse/engine'
import { reference } from 'drafthorse/engine/reference'
import { startDraft } from '../../decode/draft/checked.ts'
import { folderOf } from '../checkpoints.ts'
import { guessing, someSkipped } from './drafts.ts'
import { assertNothingHeld, outcome } from './generations.ts'

const prompt = [168, 102, 252, 316, 115, 7]
const settings = { maxNewTokens: 14, ignoreEos: true, draftLength: 3 }

/** What comes from JavaScript, where nobody checks types. */
const unchecked = <T>(value: unknown): T => value as T // wrong on purpose

const guessingThis = (guess: unknown): SingleDraft => ({
  name: 'mine',
  start: () => ({ guess: () => unchecked<Guess>(guess) }),
})

function proposingThis(propose: (round: DraftRound) => unknown): SingleDraft {
  return { name: 'mine', start: () => ({ propose: async (round) => unchecked<Proposal>(propose(round)) }) }
}

/** The same, where sequences draft together. */
function together(draft: SingleDraft): SingleDraft {
  return {
    ...draft,
    async together(model, rounds) {
      const session = draft.start(model)
      assert.ok('propose' in session)
      return Promise.all(rounds.map((round) => session.propose(round)))
    },
  }
}

const free = { passes: 0, sublayersRun: 0 }

describe('what a draft says', () => {
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

  /** Refused alone, and in a batch whose other texts have nothing to do with it. */
  async function refused(draft: Draft, message: RegExp, options: GenerateOptions = {}): Promise<void> {
    const all = { ...settings, ...options, draft }
    await assert.rejects(generate(model, prompt, all).result, { code: 'ERR_ARGUMENT', message })
    await assert.rejects(generateBatch(model, [[1, 2], prompt], all).result, { code: 'ERR_ARGUMENT', message })
  }

  for (const [name, guess, message] of [
    ['nothing', undefined, /"mine" guessed undefined, expected { tokens/],
    ['a promise', Promise.resolve({ tokens: [] }), /"mine" guessed undefined as tokens/],
    ['no tokens', {}, /"mine" guessed undefined as tokens, expected a list/],
    ['tokens that are no list', { tokens: '12' }, /"mine" guessed "12" as tokens, expected a list/],
    ['too many', { tokens: new Array(65).fill(1) }, /"mine" guessed 65 tokens, expected 13 at most/],
    ['a token undefined', { tokens: [1, undefined] }, /"mine" guessed the token undefined, .* 0 to 319/],
    // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
    ['a hole', { tokens: [1, , 2] }, /"mine" guessed the token undefined, .* 0 to 319/],
    ['a string', { tokens: ['5'] }, /"mine" guessed the token "5", .* 0 to 319/],
    ['a fraction', { tokens: [1.5] }, /"mine" guessed the token 1.5, .* 0 to 319/],
    ['no number', { tokens: [Number.NaN] }, /"mine" guessed the token NaN, .* 0 to 319/],
    ['a token below the vocabulary', { tokens: [-1] }, /"mine" guessed the token -1, .* 0 to 319/],
    ['a token past the vocabulary', { tokens: [0, 320] }, /"mine" guessed the token 320, .* 0 to 319/],
    ['a chance above 1', { tokens: [1], chance: 3 }, /"mine" guessed with the chance 3, .* 0 to 1/],
    ['a chance that is no number', { tokens: [1], chance: Number.NaN }, /"mine" guessed with the chance NaN/],
    ['a kind that is no string', { tokens: [1], kind: 4 }, /"mine" guessed with the kind 4, expected a string/],
  ] as const) {
    it(`is refused as a guess: ${name}`, () => refused(guessingThis(guess), message))
  }

  it('is asked for 64 tokens of a guess at most, however long drafts may be', async () => {
    const limits: number[] = []
    const draft = guessing('mine', (history, limit) => {
      limits.push(limit)
      return new Array<number>(limit).fill(history.at(-1)!)
    })
    const { stats } = await generate(model, prompt, { ...settings, maxNewTokens: 68, draft, draftLength: 100 }).result
    assert.deepEqual([...new Set(limits)].slice(0, 2), [64, 63])
    assert.equal(stats.newTokens, 68)
  })

  for (const [name, proposal, message] of [
    ['nothing', undefined, /"mine" proposed undefined, expected { tokens/],
    ['no tokens', free, /"mine" proposed undefined as tokens, expected a list/],
    ['too many', { ...free, tokens: [1, 2, 3, 4] }, /"mine" proposed 4 tokens, expected 3 at most/],
    ['a token undefined', { ...free, tokens: [undefined] }, /"mine" proposed the token undefined, .* 0 to 319/],
    ['a string', { ...free, tokens: ['5'] }, /"mine" proposed the token "5", .* 0 to 319/],
    ['a fraction', { ...free, tokens: [1, 1.5] }, /"mine" proposed the token 1.5, .* 0 to 319/],
    ['no number', { ...free, tokens: [Number.NaN] }, /"mine" proposed the token NaN, .* 0 to 319/],
    ['a token below the vocabulary', { ...free, tokens: [-1] }, /"mine" proposed the token -1, .* 0 to 319/],
    ['an object', { ...free, tokens: [{}] }, /"mine" proposed the token a value of type object, .* 0 to 319/],
    ['no passes', { tokens: [1], sublayersRun: 0 }, /"mine" proposed with passes undefined, expected a number from 0/],
    ['passes below 0', { ...free, tokens: [], passes: -1 }, /"mine" proposed with passes -1, expected a number from 0/],
    ['no end of sublayers', { tokens: [], passes: 1, sublayersRun: Infinity }, /with sublayersRun Infinity, expected/],
    ['a prefix that is none', { ...free, tokens: [1], prefix: 3 }, /"mine" proposed with a prefix that is 3, expected/],
  ] as const) {
    it(`is refused as a proposal: ${name}`, async () => {
      const draft = proposingThis(() => proposal)
      await refused(draft, message)
      await refused(together(draft), message)
    })
  }

  for (const [name, wrong, message] of [
    ['more rows than there are', { rows: 3 }, /with a prefix of 3 rows, expected a whole number from 0 to 2, one more/],
    ['rows below 0', { rows: -1 }, /with a prefix of -1 rows, expected/],
    ['half a row', { rows: 1.5 }, /with a prefix of 1.5 rows, expected/],
    ['a sublayer that the model does not have', { to: 9 }, /up to sublayer 9, expected a whole number from 0 to 8/],
    ['no sublayer', { to: undefined }, /up to sublayer undefined, expected/],
    [
      'rows that are not there',
      { hidden: undefined },
      /whose hidden rows are undefined, expected an f32 tensor \[2 or more, 64\]/,
    ],
    ['fewer rows than it says', { shape: [1, 64] }, /whose hidden rows are \[1, 64\], expected .*\[2 or more, 64\]/],
    ['rows of another width', { shape: [2, 32] }, /whose hidden rows are \[2, 32\], expected .*\[2 or more, 64\]/],
  ] as const) {
    it(`is refused as a proposal: a prefix of ${name}`, async () => {
      const draft = proposingThis(({ arena }) => {
        const hidden = arena.tensor('shape' in wrong ? wrong.shape : [2, 64])
        const prefix = { to: 2, hidden, rows: 2, ...wrong }
        return { ...free, tokens: [1], prefix }
      })
      await refused(draft, message)
      await refused(together(draft), message)
    })
  }

  it('is refused where sequences draft together and no list comes', async () => {
    const silent: SingleDraft = {
      ...proposingThis(() => undefined),
      together: async () => unchecked<Proposal[]>(undefined),
    }
    await refused(silent, /the draft "mine" proposed for no sequences, not for/)
  })

  for (const [name, session] of Object.entries({
    nothing: undefined,
    'no method': {},
    'both methods': { guess: () => ({ tokens: [] }), propose: async () => ({ ...free, tokens: [] }) },
  })) {
    it(`is refused as a session: ${name}`, () =>
      refused(
        { name: 'mine', start: () => unchecked(session) },
        /the draft "mine" started .*, expected a session with/,
      ))
  }

  it('is refused as a cascade with a part that cannot start', async () => {
    for (const part of [{ name: 'inner', parts: [] }, undefined, 'lookup']) {
      const parts = unchecked<SingleDraft[]>([promptLookup(), part])
      await refused({ name: 'mine', parts }, /part 1 of the draft has no method "start"/)
    }
  })

  describe('by writing to the history that it is shown', () => {
    const writing = (write: (history: number[]) => void): SingleDraft =>
      guessing('scribbler', (history) => {
        write(unchecked<number[]>(history))
        return []
      })

    for (const [name, write] of Object.entries<(history: number[]) => void>({
      'a token more': (history) => history.push(5),
      'a token less': (history) => history.pop(),
      'none at all': (history) => history.splice(0),
      'another newest token': (history) => history.splice(-1, 1, -1),
    })) {
      it(`is refused: ${name}`, () => refused(writing(write), /the draft "scribbler" wrote to the history/))
    }

    it('changes neither the text nor what other drafts see, whatever is not noticed', async () => {
      const whole = [...prompt, ...expected]
      const watching = guessing('watcher', (history) => {
        assert.deepEqual(history, whole.slice(0, history.length))
        return []
      })
      const scribbling = writing((history) => history.fill(-1, 0, -1))
      for (const draft of [cascade(scribbling, watching), cascade(watching, scribbling, promptLookup())]) {
        assert.deepEqual((await generate(model, prompt, { ...settings, draft }).result).tokens, expected)
      }
    })

    it('is shown to it at the cost of the new tokens, as one list that grows', () => {
      const lists = new Set<readonly number[]>()
      const session = startDraft(
        guessing('mine', (history) => {
          lists.add(history)
          return [history.length]
        }),
        model,
      )
      assert.ok('guess' in session)
      let looks = 0
      const history = new Proxy([1, 2, 3], {
        get(target, key) {
          if (key !== 'length') looks++
          return Reflect.get(target, key)
        },
      })
      for (let length = 4; length <= 300; length++) {
        history.push(length % 7)
        assert.deepEqual(session.guess(history, 1).tokens, [length])
      }
      assert.deepEqual([...lists], [[...history]])
      assert.ok(looks < 10 * 300, `${looks}`)
    })
  })

  describe('of its confidence', () => {
    const telling = (confidences: readonly unknown[]): SingleDraft =>
      proposingThis(({ goesOn, limit }) => {
        const tokens: number[] = []
        for (const [at, confidence] of confidences.slice(0, limit).entries()) {
          tokens.push(at)
          if (goesOn && !goesOn(unchecked<number>(confidence))) break
        }
        return { ...free, tokens }
      })

    it('is heard as a probability', async () => {
      const rounds: RoundTrace[] = []
      const onRound = (round: RoundTrace): void => void rounds.push(round)
      const draft = telling([1.0000001, Number.POSITIVE_INFINITY, -3, Number.NaN, 0.25])
      const draftLength = threshold({ confidence: 0, most: 5 })
      const { tokens } = await generate(model, prompt, { ...settings, draft, draftLength, onRound }).result
      assert.deepEqual(tokens, expected)
      assert.deepEqual(rounds[0]!.confidences, [1, 1, 0, 0, 0.25])
    })

    it('is refused where it is no number', async () => {
      const options = { draftLength: threshold() }
      await refused(telling(['0.9']), /the draft "mine" told goesOn 0.9, expected a probability/, options)
      await refused(telling([undefined]), /the draft "mine" told goesOn undefined, expected a probability/, options)
    })

    it('leaves the cost model able to count, also where it is not a number', async () => {
      for (const confidence of [Number.NaN, 7, Number.NEGATIVE_INFINITY]) {
        const draft = telling([confidence, 0.5, confidence])
        const options = { ...settings, maxNewTokens: 40, draft, draftLength: 'cost-model' } as const
        const { stats } = await generate(model, prompt, options).result
        assert.ok(stats.draftedTokens > 0)
        assert.ok(Number.isFinite(stats.speedup.predicted), `${confidence}: ${stats.speedup.predicted}`)
      }
    })
  })
})

it('a draft by layers whose rows are not numbers ends neither the text nor the counting of the cost model', async () => {
  const broken = 300
  let breaks = false
  const { ops } = await reference.open({})
  const embed: typeof ops.embed = (out, ids, options) => {
    ops.embed(out, ids, options)
    const list = ids instanceof Int32Array ? ids : (ids.data as Int32Array) // ids are i32
    for (const [row, id] of list.entries()) {
      if (breaks && id === broken) (out.data as Float32Array).fill(Number.NaN, row * 64, (row + 1) * 64) // rows are f32
    }
  }
  await using model = await loadModel(folderOf('llama2-f32'), { backend: withOps(reference, { embed }) })
  const expected = await generate(model, prompt, { ...settings, draft: 'none' }).result
  const draft = skipLayers(someSkipped, { head: await model.draftHead([broken]) }) // its second row is not numbers
  breaks = true
  const rounds: RoundTrace[] = []
  const onRound = (round: RoundTrace): void => void rounds.push(round)
  const always = threshold({ confidence: 0, most: 3 })
  const drafted = await generate(model, prompt, { ...settings, draft, draftLength: always, onRound }).result
  assert.deepEqual(outcome(drafted), outcome(expected))
  assert.deepEqual(rounds[0]!.confidences, [1, 0, 0])
  const counted = await generate(model, prompt, { ...settings, draft, draftLength: 'cost-model' }).result
  assert.deepEqual(outcome(counted), outcome(expected))
  assert.ok(counted.stats.draftedTokens > 0 && Number.isFinite(counted.stats.speedup.predicted))
})
