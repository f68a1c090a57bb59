// Acceptance by rejection (Leviathan et al. 2023, section 2.3; the sampled mode of Zhang et al. 2024): a token drawn from the
// draft's own distribution q stands with probability min(1, p/q), and else makes way for one of what p has more of than q.
// Either way what comes is drawn from p, the model's.

import { ArgumentError } from '../../engine/errors.ts'
import { streams, uniformAt } from '../random.ts'
import {
  createSampler,
  createSamplingRoom,
  isGreedy,
  isTemperature,
  type SamplerOptions,
  type Sampling,
  temperatures,
  weigh,
} from '../sampler.ts'
import type { Acceptance } from './acceptance.ts'
import { acceptByEquality, acceptChosen } from './equality.ts'

export interface RejectionOptions extends SamplerOptions {
  readonly sampling: Sampling
  /** Of the draft's own distribution, which has the filters, penalties and bias of `sampling`. Default: its temperature. */
  readonly draftTemperature?: number | undefined
}

/**
 * Keeps tokens by the law of the model. The first token that `drafting` chooses at a position in a round is the one that is
 * tested there, even if the draft proposes another in its place or stops short of it. So a draft may look at what it drew before
 * it decides what to propose there and after; only what it proposes at earlier positions must not depend on it. Tokens that
 * were not drawn, of a lookup for example, stand where they are what plain decoding samples, which is min(1, p/q) for a q that
 * knows only them; so without drafts that sample the text is plain decoding's, bit for bit. A target of temperature 0 is
 * accepted by equality. Throws {@link ArgumentError} for a `draftTemperature` out of range.
 */
export function acceptByRejection({
  sampling,
  draftTemperature = sampling.temperature,
  vocabSize,
  seed,
  room = createSamplingRoom(vocabSize),
  clock = () => performance.now(),
}: RejectionOptions): Acceptance {
  expectDraftTemperature(draftTemperature)
  const sampler = createSampler(sampling, { vocabSize, seed, room, clock })
  if (sampling.temperature === 0) return acceptByEquality(sampler)

  const draftSampling = { ...sampling, temperature: draftTemperature }
  const draws = new Map<number, Draw>()
  const spare: Float64Array[] = []
  const p = new Float64Array(vocabSize)
  let [round, milliseconds] = [0, 0]

  function draw(logits: ArrayLike<number>, history: readonly number[]): number {
    const position = history.length
    const values = spare.pop() ?? new Float64Array(vocabSize)
    const total = weigh(values, logits, { sampling: draftSampling, history, room })
    const token = pick({ values, total }, uniformAt(seed, streams.draft + round, position))
    if (draftTemperature > 0 && !draws.has(position)) draws.set(position, { token, q: { values, total } })
    else spare.push(values)
    return token
  }

  function choose(logits: ArrayLike<number>, history: readonly number[]): number {
    const position = history.length
    const drawn = draws.get(position)
    if (!drawn) return sampler.choose(logits, history)
    const total = weigh(p, logits, { sampling, history, room })
    return verifyDraw(drawn, {
      p: { values: p, total },
      toAccept: uniformAt(seed, streams.accept, position),
      toReplace: uniformAt(seed, streams.residual, position),
    })
  }

  function timed<T>(work: () => T): T {
    const start = clock()
    const result = work()
    milliseconds += clock() - start
    return result
  }

  return {
    name: 'rejection',
    drafting: isGreedy(draftSampling) ? undefined : { choose: (logits, history) => timed(() => draw(logits, history)) },
    accept: (verified) =>
      timed(() => {
        const tokens = acceptChosen(verified, choose)
        for (const { q } of draws.values()) spare.push(q.values)
        draws.clear()
        round++
        return tokens
      }),
    get milliseconds() {
      return milliseconds
    },
  }
}

/** Throws {@link ArgumentError} for a temperature out of range. */
export function expectDraftTemperature(draftTemperature: number): void {
  if (isTemperature(draftTemperature)) return
  throw new ArgumentError(`draftTemperature is ${draftTemperature}, expected ${temperatures}`)
}

/** Probabilities, each times `total`. */
export interface Weights {
  /** `[vocabSize]`. */
  readonly values: Float64Array
  readonly total: number
}

/** A token, and the distribution that it was drawn from. */
export interface Draw {
  readonly token: number
  readonly q: Weights
}

/**
 * The drawn token with probability min(1, p/q), and else one drawn from max(p - q, 0), divided by its sum; if rounding leaves
 * nothing of that, from p. The uniforms are from 0 to below 1. Overwrites the values of q.
 */
export function verifyDraw(
  { token, q }: Draw,
  { p, toAccept, toReplace }: { p: Weights; toAccept: number; toReplace: number },
): number {
  if (toAccept * q.values[token]! * p.total < p.values[token]! * q.total) return token
  let total = 0
  for (let id = 0; id < q.values.length; id++) {
    const more = p.values[id]! * q.total - q.values[id]! * p.total
    q.values[id] = more > 0 ? more : 0
    total += q.values[id]!
  }
  return pick(total > 0 ? { values: q.values, total } : p, toReplace)
}

/** The token at this share of the weights, counted from id 0; never one of weight 0. */
function pick({ values, total }: Weights, share: number): number {
  const wanted = share * total
  let [sum, last] = [0, 0]
  for (let id = 0; id < values.length; id++) {
    if (values[id] === 0) continue
    last = id
    sum += values[id]!
    if (sum > wanted) break
  }
  return last
}
