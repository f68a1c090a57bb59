// Sampling: the law that tokens are drawn by, against transformers and against exact probabilities.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { distribution, type SamplingOptions } from 'drafthorse'
import fc from 'fast-check'
import { noiseAt } from '../../decode/random.ts'
import { createSampler, planSampling } from '../../decode/sampler.ts'
import { oracle } from '../checkpoints.ts'
import { golden } from '../golden.ts'
import { chanceOfWorse } from './chi-square.ts'
import { drawPlainly } from './sampler-plainly.ts'

interface Example {
  readonly settings: SamplingOptions
  readonly history: readonly number[]
  readonly logits: readonly number[]
  readonly probabilities: readonly number[]
}

const examples: readonly Example[] = JSON.parse(readFileSync(oracle('sampling.json'), 'utf8'))

const samplerOf = (options: SamplingOptions, vocabSize: number, seed = 1) =>
  createSampler(planSampling(options, vocabSize), { vocabSize, seed })

/** Histories of these lengths: of a sampled token only its position matters, but for the penalty. */
const history = (length: number): number[] => Array<number>(length).fill(0)

describe('the distribution that is sampled from', () => {
  for (const [i, { settings, history, logits, probabilities }] of examples.entries()) {
    it(`is transformers' to 1e-5: example ${i}, ${JSON.stringify(settings)}`, () => {
      const found = distribution(Float32Array.from(logits), settings, history)
      for (const [id, expected] of probabilities.entries()) {
        assert.ok(Math.abs(found[id]! - expected) <= 1e-5, `token ${id}: ${found[id]}, not ${expected}`)
      }
      golden()
    })
  }

  it('adds a bias before anything else, and bans a token by one of -Infinity', () => {
    const logits = Float32Array.of(1, 2, 3, -1)
    const found = distribution(logits, { temperature: 1, logitBias: { 2: Number.NEGATIVE_INFINITY, 3: 4 } })
    assert.deepEqual(found, distribution(Float32Array.of(1, 2, Number.NEGATIVE_INFINITY, 3), { temperature: 1 }))
    assert.equal(found[2], 0)
  })

  it('is what sorting gives, also where logits are equal', () => {
    const settings = fc.record({
      topK: fc.integer({ min: 0, max: 12 }),
      topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
      minP: fc.constantFrom(0, 0.1, 0.5, 1),
    })
    const few = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(few, settings, (values, { topK, topP, minP }) => {
        const logits = Float32Array.from(values)
        const order = values.map((_, id) => id).sort((a, b) => logits[b]! - logits[a]! || a - b)
        const kth = topK > 0 && topK < values.length ? logits[order[topK - 1]!]! : Number.NEGATIVE_INFINITY
        let kept = order.filter((id) => logits[id]! >= kth)
        const weight = (id: number): number => Math.exp(logits[id]! - logits[order[0]!]!)
        const mass = kept.reduce((sum, id) => sum + weight(id), 0)
        let before = 0
        const margin = kept.map((id) => {
          const share = before / mass
          before += weight(id)
          return share - topP
        })
        fc.pre(topP === 1 || margin.every((difference) => Math.abs(difference) > 1e-9)) // rounding may decide these
        if (topP < 1) kept = kept.filter((_, i) => margin[i]! < 0)
        kept = kept.filter((id) => weight(id) >= minP * (1 - 1e-12))
        const found = distribution(logits, { temperature: 1, topK, topP, minP })
        assert.deepEqual(
          [...found.keys()].filter((id) => found[id]! > 0),
          kept.sort((a, b) => a - b),
        )
      }),
      { numRuns: 2000 },
    )
  })

  it('keeps as few tokens as have the mass exactly, where rounding could keep another', () => {
    const countKept = (logits: readonly number[], topP: number): number =>
      distribution(Float32Array.from(logits), { temperature: 1 / Math.LN2, topP }).filter((share) => share > 0).length
    for (let kept = 1; kept < 16; kept++) assert.equal(countKept(Array<number>(16).fill(0.3), kept / 16), kept)
    // Weights of 1 and eight times 1/8.
    for (let light = 0; light < 8; light++) {
      assert.equal(countKept([0, -3, -3, -3, -3, -3, -3, -3, -3], (1 + light / 8) / 2), 1 + light)
    }
  })

  it('refuses a history with tokens outside the vocabulary', () => {
    assert.throws(() => distribution(Float32Array.of(1, 2), { temperature: 1 }, [0, 2]), {
      code: 'ERR_ARGUMENT',
      message: /token of the history is 2.*up to 1/,
    })
  })
})

describe('a sampler', () => {
  const logits = Float32Array.from({ length: 300 }, (_, id) => 4 * Math.sin(id * id) - id / 50)
  const laws: readonly SamplingOptions[] = [
    { temperature: 1 },
    { temperature: 0.5 },
    { temperature: 2 },
    { temperature: 1, topK: 20 },
    { temperature: 1.3, topP: 0.8 },
    { temperature: 0.8, topK: 40, topP: 0.9, minP: 0.02, logitBias: { 3: 2, 5: -1 } },
  ]
  for (const options of laws) {
    it(`draws by the distribution: ${JSON.stringify(options)}`, () => {
      const sampler = samplerOf(options, 300)
      const counts = Array<number>(300).fill(0)
      const none: number[] = []
      for (let position = 0; position < 50_000; position++) {
        none.length = position
        counts[sampler.choose(logits, none)]!++
      }
      const law = [...distribution(logits, options)]
      assert.equal(counts.filter((count, id) => count > 0 && law[id] === 0).length, 0)
      assert.ok(chanceOfWorse(counts, law) > 1e-4 / laws.length)
    })
  }

  it('agrees with another of the same seed at the rate of the closed form', () => {
    const other = Float32Array.from(logits, (logit, id) => logit + 1.5 * Math.cos(3 * id))
    const options = { temperature: 1, topK: 50 }
    const [p, q] = [distribution(logits, options), distribution(other, options)]
    const [a, b] = [samplerOf(options, 300), samplerOf(options, 300)]
    let rate = 0
    for (const [i, pi] of p.entries()) {
      if (pi === 0 || q[i] === 0) continue
      let sum = 0
      for (const [j, pj] of p.entries()) sum += Math.max(pj / pi, q[j]! / q[i]!)
      rate += 1 / sum
    }
    const draws = 20_000
    let agreed = 0
    for (let position = 0; position < draws; position++) {
      const before = history(position % 500).fill(1)
      before.length = position
      if (a.choose(logits, before) === b.choose(other, before)) agreed++
    }
    const error = Math.sqrt((rate * (1 - rate)) / draws)
    assert.ok(Math.abs(agreed / draws - rate) < 4 * error, `${agreed / draws}, not ${rate} +- ${error}`)
  })

  it('draws the very token that sorting, and noise for every token, gives', () => {
    const settings = fc.record({
      temperature: fc.constantFrom(0.2, 0.8, 1, 3, 30),
      topK: fc.constantFrom(0, 0, 1, 5, 50, 1000),
      topP: fc.constantFrom(1, 1, 0.1, 0.5, 0.9, 0.95, 0.999),
      minP: fc.constantFrom(0, 0, 0.01, 0.3),
      repetitionPenalty: fc.constantFrom(1, 1, 1.2, 0.7),
      logitBias: fc.constantFrom({}, {}, { 1: 5, 7: Number.NEGATIVE_INFINITY }),
    })
    const shape = fc.record({ size: fc.integer({ min: 8, max: 3000 }), spread: fc.constantFrom(0.01, 1, 4, 20) })
    fc.assert(
      fc.property(settings, shape, fc.nat(), (options, { size, spread }, seed) => {
        const { gumbel, bits } = noiseAt(seed, 50, 0)
        const logits = Float32Array.from({ length: size }, (_, id) => spread * gumbel(id))
        if (seed % 3 === 0) logits.fill(Number.NEGATIVE_INFINITY, size >> 1)
        const before = Array.from({ length: seed % 40 }, (_, i) => bits(i) % size)
        const sampling = planSampling(options, size)
        const sampler = createSampler(sampling, { vocabSize: size, seed })
        for (let i = 0; i < 3; i++) {
          const token = sampler.choose(logits, before)
          assert.equal(token, drawPlainly(logits, before, { sampling, seed }))
          before.push(token)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('takes the likeliest at temperature 0, the lowest id where several are', () => {
    assert.equal(samplerOf({}, 4).choose(Float32Array.of(1, 3, 3, 2), []), 1)
    assert.equal(samplerOf({ logitBias: { 0: 2 } }, 4).choose(Float32Array.of(1, 3, 3, 2), []), 0)
    assert.equal(samplerOf({ repetitionPenalty: 2 }, 4).choose(Float32Array.of(1, 3, 3, 2), [1, 1]), 2)
    assert.equal(samplerOf({ temperature: 1e-6 }, 300).choose(logits, []), samplerOf({}, 300).choose(logits, []))
  })

  it('refuses logits that are not numbers, and those that ban every token', () => {
    for (const temperature of [0, 1]) {
      const sampler = samplerOf({ temperature, repetitionPenalty: 1.1 }, 3)
      assert.throws(() => sampler.choose(Float32Array.of(1, Number.NaN, 2), []), {
        code: 'ERR_NUMERIC',
        message: /NaN/,
      })
      const banned = Float32Array.of(-Infinity, -Infinity, -Infinity)
      assert.throws(() => sampler.choose(banned, []), { code: 'ERR_NUMERIC', message: /-Infinity.*banned/ })
    }
  })
})
