// Acceptance, part by part: what becomes of one drawn token, where the model's logits are asked for, and whose noise is whose.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { acceptByEquality } from '../../decode/accept/equality.ts'
import { acceptByRejection, verifyDraw, type Weights } from '../../decode/accept/rejection.ts'
import { createSampler, planSampling, type SamplingOptions } from '../../decode/sampler.ts'
import { decodeToy, drawing, pairOf, type ToyDraft } from './toys.ts'

const weightsOf = (values: readonly number[]): Weights => ({
  values: Float64Array.from(values),
  total: values.reduce((a, b) => a + b),
})

const rejecting = (options: SamplingOptions & { draftTemperature?: number }, vocabSize: number, seed = 1) =>
  acceptByRejection({
    sampling: planSampling(options, vocabSize),
    draftTemperature: options.draftTemperature,
    vocabSize,
    seed,
  })

const equating = (options: SamplingOptions, vocabSize: number, seed = 1) =>
  acceptByEquality(createSampler(planSampling(options, vocabSize), { vocabSize, seed }))

describe('a drawn token', () => {
  // Whatever they add up to: p is 0.5, 0.3, 0.2, 0 and q 0.1, 0.6, 0.2, 0.1.
  const p = weightsOf([10, 6, 4, 0])
  const verify = (token: number, toAccept: number, toReplace = 0): number =>
    verifyDraw({ token, q: weightsOf([1, 6, 2, 1]) }, { p, toAccept, toReplace })
  const almostOne = 1 - 2 ** -53

  it('always stands where the model has it as likely or more', () => {
    assert.equal(verify(0, almostOne), 0)
    assert.equal(verify(2, almostOne), 2)
  })

  it('stands with probability p/q where the model has it less likely, and never where the model rules it out', () => {
    assert.equal(verify(1, 0.4999), 1)
    assert.notEqual(verify(1, 0.5001), 1)
    assert.notEqual(verify(3, 0), 3)
  })

  it('makes way for one that the model has more likely, in proportion to how much more', () => {
    for (const toReplace of [0, 0.5, almostOne]) assert.equal(verify(1, 0.9, toReplace), 0)
    const q = (): Weights => weightsOf([1, 5, 2, 2]) // p has 0.4 more of token 0 and 0.1 more of token 3
    const more = weightsOf([5, 2, 0, 3])
    const instead = (toReplace: number): number =>
      verifyDraw({ token: 1, q: q() }, { p: more, toAccept: 0.9, toReplace })
    assert.deepEqual([0, 0.7999, 0.8001, almostOne].map(instead), [0, 0, 3, 3])
  })

  it('makes way for one of the model’s own where rounding leaves nothing that the model has more likely', () => {
    const same = [1, 2, 1]
    const instead = [0, 0.2499, 0.25, 0.75].map((toReplace) =>
      verifyDraw({ token: 1, q: weightsOf(same) }, { p: weightsOf(same), toAccept: 1, toReplace }),
    )
    assert.deepEqual(instead, [0, 0, 1, 2])
  })

  it('never makes way for one that the model rules out, whatever rounding does to the sum', () => {
    const [p, q] = [weightsOf([1, 1, 0]), weightsOf([1, 1, 0])]
    const sums = { p: { ...p, total: 2.5 }, toAccept: 1, toReplace: 0.9 }
    assert.equal(verifyDraw({ token: 0, q: { ...q, total: 2.5 } }, sums), 1)
  })

  it('makes way only for tokens that the model has more likely than the draft', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 6, maxLength: 6 })
    const uniform = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(weights, weights, uniform, uniform, fc.nat(5), (ps, qs, toAccept, toReplace, token) => {
        const [p, q] = [weightsOf(ps), weightsOf(qs)]
        fc.pre(p.total > 0 && qs[token]! > 0)
        const excess = (id: number): number => ps[id]! * q.total - qs[id]! * p.total
        const found = verifyDraw({ token, q }, { p, toAccept, toReplace })
        assert.ok(found === token ? ps[token]! > 0 : excess(found) > 0)
      }),
    )
  })
})

describe('accepting by rejection', () => {
  const pair = pairOf('good', 6)
  /** Whole texts of this many tokens. */
  const count = 40

  it('gives plain decoding’s text, bit for bit, where nothing is drawn', () => {
    const guessing: ToyDraft = ({ history }) => [history.at(-1)!, history.at(-2)!]
    for (let seed = 0; seed < 50; seed++) {
      const plain = decodeToy(pair, { acceptance: equating({ temperature: 1 }, 6, seed), draft: () => [], count })
      for (const draft of [guessing, () => []]) {
        const { tokens } = decodeToy(pair, { acceptance: rejecting({ temperature: 1 }, 6, seed), draft, count })
        assert.deepEqual(tokens, plain.tokens, `seed ${seed}`)
      }
    }
  })

  it('gives plain decoding’s text where drafts take the likeliest token, with penalties too', () => {
    for (const repetitionPenalty of [1, 1.3]) {
      const options = { temperature: 1, repetitionPenalty }
      const plain = decodeToy(pair, { acceptance: equating(options, 6), draft: () => [], count })
      const acceptance = rejecting({ ...options, draftTemperature: 0 }, 6)
      assert.equal(acceptance.drafting === undefined, repetitionPenalty === 1)
      const { tokens, rounds } = decodeToy(pair, { acceptance, draft: drawing(() => 2), count })
      assert.deepEqual(tokens, plain.tokens)
      assert.ok(rounds.some(({ kept }) => kept.length === 3))
    }
  })

  it('is by equality where the model takes the likeliest token, with penalties too', () => {
    const large = pairOf('good', 30)
    for (const repetitionPenalty of [1, 1.3]) {
      const options = { temperature: 0, repetitionPenalty }
      const plain = decodeToy(large, { acceptance: equating(options, 30), draft: () => [], count })
      const acceptance = rejecting({ ...options, draftTemperature: 1 }, 30)
      const { tokens, rounds } = decodeToy(large, { acceptance, draft: drawing(() => 2), count })
      assert.deepEqual(tokens, plain.tokens)
      assert.ok(rounds.some(({ kept }) => kept.length > 1))
    }
  })

  it('gives the text of its seed again, and another with another', () => {
    const told = (seed: number) =>
      decodeToy(pair, { acceptance: rejecting({ temperature: 1 }, 6, seed), draft: drawing(() => 2), count }).tokens
    assert.deepEqual(told(3), told(3))
    assert.notDeepEqual(told(3), told(4))
    assert.notDeepEqual(told(3), told(3 + 2 ** 32))
  })

  it('draws anew in each round', () => {
    const acceptance = rejecting({ temperature: 1 }, 30)
    const logits = new Float32Array(30)
    const tokens = Array.from({ length: 20 }, () => {
      const token = acceptance.drafting!.choose(logits, [7])
      acceptance.accept({ drafted: [token], history: [7], logits: () => logits })
      return token
    })
    assert.ok(new Set(tokens).size > 5, tokens.join())
  })

  it('forgets after a round what was drawn in it', () => {
    const undrafted = { drafted: [], history: [0], logits: () => new Float32Array(30) }
    for (let seed = 0; seed < 10; seed++) {
      const acceptance = rejecting({ temperature: 1 }, 30, seed)
      acceptance.drafting!.choose(new Float32Array(30), undrafted.history)
      acceptance.accept(undrafted)
      assert.deepEqual(acceptance.accept(undrafted), equating({ temperature: 1 }, 30, seed).accept(undrafted))
    }
  })

  it('refuses draft temperatures out of range', () => {
    for (const draftTemperature of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => rejecting({ temperature: 1, draftTemperature }, 4), {
        code: 'ERR_ARGUMENT',
        message: /draftTemperature is (-1|NaN|Infinity), expected a number from 0/,
      })
    }
  })
})

for (const [name, start] of Object.entries({ equality: equating, rejection: rejecting })) {
  describe(`acceptance by ${name}`, () => {
    const only = (id: number): Float32Array => new Float32Array(5).fill(Number.NEGATIVE_INFINITY).fill(0, id, id + 1)

    it('asks for the model’s logits in order, and for none after the first draft that falls', () => {
      const asked: number[] = []
      const accept = (drafted: readonly number[]): number[] =>
        start({ temperature: 1 }, 5).accept({
          drafted,
          history: [0],
          logits(at) {
            asked.push(at)
            return only(at + 1)
          },
        })
      assert.deepEqual(accept([1, 2, 3]), [1, 2, 3, 4])
      assert.deepEqual(accept([1, 4, 3]), [1, 2])
      assert.deepEqual(accept([]), [1])
      assert.deepEqual(asked, [0, 1, 2, 3, 0, 1, 0])
    })

    it('leaves the history as it was, and has taken some time', () => {
      const history = [3, 1]
      const acceptance = start({ temperature: 1 }, 5)
      assert.equal(acceptance.milliseconds, 0)
      acceptance.drafting!.choose(only(2), history)
      const drafting = acceptance.milliseconds
      acceptance.accept({ drafted: [2], history, logits: () => only(2) })
      assert.deepEqual(history, [3, 1])
      assert.ok(drafting > 0 && acceptance.milliseconds > drafting)
    })

    it('refuses rows that are not numbers', () => {
      const logits = (at: number): Float32Array => (at === 1 ? only(2).fill(Number.NaN, 0, 1) : only(1))
      assert.throws(() => start({ temperature: 1 }, 5).accept({ drafted: [1, 2], history: [0], logits }), {
        code: 'ERR_NUMERIC',
        message: /NaN/,
      })
      assert.deepEqual(start({ temperature: 1 }, 5).accept({ drafted: [2], history: [0], logits }), [1])
    })
  })
}
