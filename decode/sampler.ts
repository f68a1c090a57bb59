// From logits to a token: penalties and bias, temperature, top-k, top-p, min-p, in the order of Hugging Face's processors, and
// then the largest log-probability plus Gumbel noise, which is a sample (Gumbel 1954; Maddison et al. 2014).

import { ArgumentError, NumericError } from '../engine/errors.ts'
import { expectOptions } from '../engine/options.ts'
import { exp, log } from './elementary.ts'
import { gumbelOf, type Noise, noiseAt, streams } from './random.ts'

export interface SamplingOptions {
  /** 0, the default, takes the most likely token; 1 samples as the model says. */
  readonly temperature?: number | undefined
  /** Samples among this many of the most likely tokens, and those as likely as the last of them. Default 0: all. */
  readonly topK?: number | undefined
  /** Samples among the fewest of the most likely tokens that have this probability together. Default 1: all. */
  readonly topP?: number | undefined
  /** Samples among tokens at least this many times as likely as the most likely one. Default 0: all. */
  readonly minP?: number | undefined
  /** Above 1 tokens that the text has already are less likely (Keskar et al. 2019). Default 1. */
  readonly repetitionPenalty?: number | undefined
  /** Added to the logits of these ids. */
  readonly logitBias?: Readonly<Record<number, number>> | undefined
}

/** The options, complete and checked. */
export type Sampling = Readonly<
  Record<'temperature' | 'topK' | 'topP' | 'minP' | 'repetitionPenalty', number> & {
    logitBias: readonly (readonly [id: number, bias: number])[]
  }
>

/** Throws {@link ArgumentError} for what is out of range. */
export function planSampling(options: SamplingOptions, vocabSize: number): Sampling {
  const { temperature = 0, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1, logitBias = {} } = options
  expect('temperature', temperature, 'a number from 0', temperature >= 0 && temperature < Number.POSITIVE_INFINITY)
  expect('topK', topK, 'a whole number from 0, which is all', Number.isSafeInteger(topK) && topK >= 0)
  expect('topP', topP, 'a probability above 0', topP > 0 && topP <= 1)
  expect('minP', minP, 'a share, 0 to 1', minP >= 0 && minP <= 1)
  const penalty = repetitionPenalty > 0 && repetitionPenalty < Number.POSITIVE_INFINITY
  expect('repetitionPenalty', repetitionPenalty, 'a number above 0', penalty)
  expectOptions('logitBias', logitBias)
  const biases = Object.entries(logitBias).map(([token, bias]) => {
    const id = Number(token)
    expect(
      'an id of logitBias',
      token,
      `a whole number up to ${vocabSize - 1}`,
      id >= 0 && id < vocabSize && id % 1 === 0,
    )
    expect(
      `logitBias of ${id}`,
      bias,
      'a number, or -Infinity',
      typeof bias === 'number' && bias < Number.POSITIVE_INFINITY,
    )
    return [id, bias] as const
  })
  return { temperature, topK, topP, minP, repetitionPenalty, logitBias: biases }
}

function expect(what: string, value: unknown, wanted: string, holds: boolean): void {
  if (!holds) throw new ArgumentError(`${what} is ${String(value)}, expected ${wanted}`)
}

/** Whether the choice is the backend's own: the largest logit. */
export function isGreedy({ temperature, repetitionPenalty, logitBias }: Sampling): boolean {
  return temperature === 0 && repetitionPenalty === 1 && logitBias.length === 0
}

export interface Sampler {
  /**
   * The token that follows `history`, all tokens before it, from `logits [vocabSize]`. The same for the same seed, history and
   * logits, whoever asks. Throws {@link NumericError} where a logit is NaN, or where none is above minus infinity.
   */
  choose(logits: ArrayLike<number>, history: readonly number[]): number
  /** What all choices took so far. */
  readonly milliseconds: number
}

export function createSampler(sampling: Sampling, { vocabSize, seed }: { vocabSize: number; seed: number }): Sampler {
  const scores = new Float64Array(vocabSize)
  const room = createRoom(vocabSize)
  let milliseconds = 0

  function choose(logits: ArrayLike<number>, history: readonly number[]): number {
    const top = score(scores, logits, sampling, history)
    if (sampling.temperature === 0) return top
    const noise = noiseAt(seed, streams.sample, history.length)
    return sample(scores, { top, cut: cutOf(scores, top, sampling, room), noise })
  }

  return {
    choose(logits, history) {
      const start = performance.now()
      const token = choose(logits, history)
      milliseconds += performance.now() - start
      return token
    },
    get milliseconds() {
      return milliseconds
    },
  }
}

/**
 * The probabilities that sampling draws from, `[vocabSize]`, given a row of logits and the tokens before it. Throws
 * {@link ArgumentError} for options out of range or tokens outside the vocabulary, and {@link NumericError} as `generate` does.
 */
export function distribution(
  logits: Float32Array,
  options: SamplingOptions = {},
  history: readonly number[] = [],
): Float64Array {
  expectOptions('distribution', options)
  const { length } = logits
  const sampling = planSampling(options, length)
  const stranger = history.find((id) => !(Number.isSafeInteger(id) && id >= 0 && id < length))
  expect('a token of the history', stranger, `an id up to ${length - 1}`, stranger === undefined)
  const scores = new Float64Array(length)
  const out = new Float64Array(length)
  const top = score(scores, logits, sampling, history)
  if (sampling.temperature === 0) {
    out[top] = 1
    return out
  }
  const cut = cutOf(scores, top, sampling, createRoom(length))
  let total = 0
  for (let id = 0; id < length; id++) {
    if (!isKept(cut, scores[id]!, id)) continue
    out[id] = exp(scores[id]! - scores[top]!)
    total += out[id]!
  }
  for (let id = 0; id < length; id++) out[id]! /= total
  return out
}

/** Logits after bias, penalty and temperature; returns the largest, the lowest id on ties. */
function score(
  scores: Float64Array,
  logits: ArrayLike<number>,
  { temperature, repetitionPenalty, logitBias }: Sampling,
  history: readonly number[],
): number {
  scores.set(logits)
  for (const [id, bias] of logitBias) scores[id]! += bias
  if (repetitionPenalty !== 1) {
    for (const id of new Set(history)) {
      scores[id] = scores[id]! < 0 ? scores[id]! * repetitionPenalty : scores[id]! / repetitionPenalty
    }
  }
  const inverse = temperature === 0 ? 1 : 1 / temperature
  let [top, largest, sum] = [0, Number.NEGATIVE_INFINITY, 0]
  for (let id = 0; id < scores.length; id++) {
    const scaled = scores[id]! * inverse
    scores[id] = scaled
    sum += scaled // NaN where one is
    if (scaled > largest) {
      largest = scaled
      top = id
    }
  }
  if (Number.isFinite(largest) && !Number.isNaN(sum)) return top
  throw new NumericError(
    `the largest of ${scores.length} logits is ${Number.isNaN(sum) ? Number.NaN : largest}; are the weights damaged, or all tokens banned?`,
  )
}

/** Where likelihood is cut off: scores above stay, and of equal ones those of ids up to `id`. */
interface Cut {
  readonly score: number
  readonly id: number
}

function isKept(cut: Cut, score: number, id: number): boolean {
  return score > cut.score || (score === cut.score && id <= cut.id)
}

/** Memory for the search of a cut. */
interface Room {
  readonly candidates: Int32Array
  readonly values: Float64Array
}

function createRoom(vocabSize: number): Room {
  return { candidates: new Int32Array(vocabSize), values: new Float64Array(vocabSize) }
}

/** What top-k, then top-p, and then min-p leave. */
function cutOf(scores: Float64Array, top: number, { topK, topP, minP }: Sampling, room: Room): Cut {
  const largest = scores[top]!
  const all = Number.POSITIVE_INFINITY
  const among = topK > 0 && topK < scores.length ? kthLargest(scores, topK, room.values) : Number.NEGATIVE_INFINITY
  const cut = topP < 1 ? nucleus(scores, { largest, among, topP, room }) : { score: among, id: all }
  const least = minP > 0 ? largest + log(minP) : Number.NEGATIVE_INFINITY
  return least > cut.score ? { score: least, id: all } : cut
}

/** Keeps up to twice as many of the largest as are asked for, so that few are ever sorted. */
function kthLargest(scores: Float64Array, k: number, values: Float64Array): number {
  const most = Math.min(2 * k, scores.length)
  let [count, least] = [0, Number.NEGATIVE_INFINITY]
  const shrink = (): void => {
    const sorted = values.subarray(0, count).sort()
    sorted.copyWithin(0, count - k)
    count = k
    least = sorted[0]!
  }
  for (let id = 0; id < scores.length; id++) {
    if (!(scores[id]! > least)) continue
    values[count++] = scores[id]!
    if (count === most) shrink()
  }
  if (count > k) shrink()
  return count < k ? Number.NEGATIVE_INFINITY : values.subarray(0, k).reduce((a, b) => Math.min(a, b))
}

/** Below this share of the largest, `e^-32`, probabilities do not show in the sum of all. */
const unseen = -32

/** The cut of top-p, among tokens whose score is at least `among`. */
function nucleus(
  scores: Float64Array,
  { largest, among, topP, room }: { largest: number; among: number; topP: number; room: Room },
): Cut {
  const { candidates, values: weights } = room
  let total = 0
  for (let id = 0; id < scores.length; id++) {
    const below = scores[id]! - largest
    const weight = scores[id]! < among || below < unseen ? 0 : exp(below)
    weights[id] = weight
    total += weight
  }
  // All that are lighter than this have at most 1 - topP together.
  const light = ((1 - topP) * total) / scores.length
  let count = 0
  for (let id = 0; id < scores.length; id++) if (weights[id]! > light) candidates[count++] = id
  return heaviest(scores, { candidates: candidates.subarray(0, count), weights, mass: topP * total })
}

/** The last of the fewest most likely candidates that have this mass together; found by halves, as quicksort makes them. */
function heaviest(
  scores: Float64Array,
  { candidates, weights, mass }: { candidates: Int32Array; weights: Float64Array; mass: number },
): Cut {
  let [from, to, missing] = [0, candidates.length, mass]
  while (to - from > 1) {
    const middle = (from + to) >> 1
    const pivot = candidates[middle]!
    candidates[middle] = candidates[to - 1]!
    let [at, above] = [from, 0]
    for (let i = from; i < to - 1; i++) {
      const id = candidates[i]!
      if (scores[id]! < scores[pivot]! || (scores[id] === scores[pivot] && id > pivot)) continue
      candidates[i] = candidates[at]!
      candidates[at++] = id
      above += weights[id]!
    }
    candidates[to - 1] = candidates[at]!
    candidates[at] = pivot
    if (above >= missing) to = at
    else {
      missing -= above + weights[pivot]!
      from = at + 1
      if (missing <= 0) to = from
    }
  }
  const id = candidates[to - 1]!
  return { score: scores[id]!, id }
}

/** Gumbel noise is below this. */
const mostNoise = 23

/** Random bits with which noise can reach n and more times the logarithm of 2: it takes a uniform above 1 - 2^-n. */
const bitsFor: Float64Array = Float64Array.from({ length: 34 }, (_, n) => 2 ** (32 - n))

/** The largest score plus noise of those that the cut leaves. */
function sample(scores: Float64Array, { top, cut, noise }: { top: number; cut: Cut; noise: Noise }): number {
  let [best, highest] = [top, scores[top]! + noise.gumbel(top)]
  for (let id = 0; id < scores.length; id++) {
    const missing = highest - scores[id]!
    if (missing > mostNoise || !isKept(cut, scores[id]!, id)) continue
    const bits = noise.bits(id)
    if (missing > 0 && bits >= bitsFor[Math.floor(missing * Math.LOG2E)]!) continue
    const sum = scores[id]! + gumbelOf(bits)
    if (sum > highest || (sum === highest && id < best)) {
      best = id
      highest = sum
    }
  }
  return best
}
