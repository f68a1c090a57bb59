// From logits to a token: penalties and bias, temperature, top-k, top-p, min-p, in the order of Hugging Face's processors, and
// then the largest log-probability plus Gumbel noise, which is a sample (Gumbel 1954; Maddison et al. 2014).

import { ArgumentError, NumericError } from '../engine/errors.ts'
import { expectOptions } from '../engine/options.ts'
import { type Cut, type CutRoom, cutOf, isKept } from './cut.ts'
import { exp } from './elementary.ts'
import { bitsOf, gumbelOf, type Noise, noiseAt, streams } from './random.ts'

export interface SamplingOptions {
  /** 0, the default, takes the most likely token; 1 samples as the model says. Above 0, at least 1e-200. */
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

/** Any logit over it is a number still. */
const coldest = 1e-200

/** What {@link isTemperature} asks for. */
export const temperatures: string = `a number from 0, above 0 from ${coldest}`

export function isTemperature(value: number): boolean {
  return value === 0 || (value >= coldest && value < Number.POSITIVE_INFINITY)
}

/** Throws {@link ArgumentError} for what is out of range. */
export function planSampling(options: SamplingOptions, vocabSize: number): Sampling {
  const { temperature = 0, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1, logitBias = {} } = options
  expect('temperature', temperature, temperatures, isTemperature(temperature))
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

/** Memory for one row of logits at a time, `[vocabSize]` each: what takes its turn with it may share it. */
export interface SamplingRoom extends CutRoom {
  readonly scores: Float64Array
  /** Zeros between uses. */
  readonly marks: Uint8Array
}

export function createSamplingRoom(vocabSize: number): SamplingRoom {
  return {
    scores: new Float64Array(vocabSize),
    marks: new Uint8Array(vocabSize),
    candidates: new Int32Array(vocabSize),
    values: new Float64Array(vocabSize),
  }
}

export interface SamplerOptions {
  readonly vocabSize: number
  readonly seed: number
  /** Default: memory of its own. */
  readonly room?: SamplingRoom | undefined
  /** Milliseconds, by which choices are timed. Default `performance.now`. */
  readonly clock?: (() => number) | undefined
}

export function createSampler(
  sampling: Sampling,
  { vocabSize, seed, room = createSamplingRoom(vocabSize), clock = () => performance.now() }: SamplerOptions,
): Sampler {
  const { scores } = room
  let milliseconds = 0

  function choose(logits: ArrayLike<number>, history: readonly number[]): number {
    const top = score(scores, logits, { sampling, history, room })
    if (sampling.temperature === 0) return top
    const noise = noiseAt(seed, streams.sample, history.length)
    return sample(scores, { top, cut: cutOf(scores, top, sampling, room), noise })
  }

  return {
    choose(logits, history) {
      const start = clock()
      const token = choose(logits, history)
      milliseconds += clock() - start
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
  const out = new Float64Array(length)
  const total = weigh(out, logits, { sampling, history, room: createSamplingRoom(length) })
  for (let id = 0; id < length; id++) out[id]! /= total
  return out
}

/**
 * The probabilities that sampling draws from, each times the sum that is returned, into `out [vocabSize]`. Throws
 * {@link NumericError} as {@link Sampler} does.
 */
export function weigh(
  out: Float64Array,
  logits: ArrayLike<number>,
  { sampling, history, room }: { sampling: Sampling; history: readonly number[]; room: SamplingRoom },
): number {
  const { scores } = room
  const top = score(scores, logits, { sampling, history, room })
  out.fill(0)
  if (sampling.temperature === 0) {
    out[top] = 1
    return 1
  }
  const cut = cutOf(scores, top, sampling, room)
  let total = 0
  for (let id = 0; id < scores.length; id++) {
    if (!isKept(cut, scores[id]!, id)) continue
    out[id] = exp(scores[id]! - scores[top]!)
    total += out[id]!
  }
  return total
}

/** Logits after bias, penalty and temperature; returns the largest, the lowest id on ties. */
function score(
  scores: Float64Array,
  logits: ArrayLike<number>,
  { sampling, history, room }: { sampling: Sampling; history: readonly number[]; room: SamplingRoom },
): number {
  const { temperature, repetitionPenalty, logitBias } = sampling
  const inverse = temperature === 0 ? 1 : 1 / temperature
  if (logitBias.length === 0 && repetitionPenalty === 1) return scale(scores, logits, inverse)
  scores.set(logits)
  for (const [id, bias] of logitBias) scores[id]! += bias
  if (repetitionPenalty !== 1) penalize(scores, history, { repetitionPenalty, marks: room.marks })
  return scale(scores, scores, inverse)
}

function scale(scores: Float64Array, logits: ArrayLike<number>, inverse: number): number {
  let [top, largest] = [0, Number.NEGATIVE_INFINITY]
  for (let id = 0; id < scores.length; id++) {
    const scaled = logits[id]! * inverse
    scores[id] = scaled
    if (scaled <= largest) continue
    if (Number.isNaN(scaled)) refuse(scaled, scores.length)
    largest = scaled
    top = id
  }
  if (!Number.isFinite(largest)) refuse(largest, scores.length)
  return top
}

function refuse(largest: number, count: number): never {
  throw new NumericError(`the largest of ${count} logits is ${largest}; are the weights damaged, or all tokens banned?`)
}

/** Each token of the history once. */
function penalize(
  scores: Float64Array,
  history: readonly number[],
  { repetitionPenalty, marks }: { repetitionPenalty: number; marks: Uint8Array },
): void {
  for (let i = 0; i < history.length; i++) {
    const id = history[i]!
    if (marks[id] !== 0) continue
    marks[id] = 1
    scores[id] = scores[id]! < 0 ? scores[id]! * repetitionPenalty : scores[id]! / repetitionPenalty
  }
  for (let i = 0; i < history.length; i++) marks[history[i]!] = 0
}

/** Gumbel noise is below this. */
const mostNoise = 23

/** The largest score plus noise of those that the cut leaves. */
function sample(scores: Float64Array, { top, cut, noise }: { top: number; cut: Cut; noise: Noise }): number {
  const { first, second } = noise.keys
  const least = cut.score
  let [best, highest] = [top, scores[top]! + noise.gumbel(top)]
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!
    if (score < least) continue
    const missing = highest - score
    if (missing > mostNoise || !isKept(cut, score, id)) continue
    // Noise reaches n times the logarithm of 2 only where its uniform is above 1 - 2^-n: where the first n bits are 0.
    const zeros = (missing * Math.LOG2E) | 0
    const bits = bitsOf(id, first, second)
    if (zeros > 0 && bits >>> (32 - zeros) !== 0) continue
    const sum = score + gumbelOf(bits >>> 0)
    if (sum > highest || (sum === highest && id < best)) {
      best = id
      highest = sum
    }
  }
  return best
}
