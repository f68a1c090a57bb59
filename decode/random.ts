// Randomness as a pure function: of a seed, a stream, a position and a token, with no state in between. So it does not matter
// who asks, how often, or in which order: a draft and the model that verifies it meet the same noise.

import { log } from './elementary.ts'

/**
 * What the randomness is for; streams of one seed have nothing to do with each other. From `draft` on each round of a generation
 * has its own: drafts at a position may be drawn, and discarded, in one round after the other. What the other streams draw at a
 * position is always committed, so they meet each only once.
 */
export const streams = { sample: 0, accept: 1, residual: 2, draft: 3 } as const

/** The noise of all tokens at one position. */
export interface Noise {
  /** 32 random bits. */
  bits(token: number): number
  /** Standard Gumbel noise, finite: from -3.2 to 22.9. */
  gumbel(token: number): number
  /** With these {@link bitsOf} gives the bits of a token, for loops over a vocabulary: as whole numbers of 32 bits. */
  readonly keys: NoiseKeys
}

export interface NoiseKeys {
  readonly first: number
  readonly second: number
}

/** `seed` is a whole number of 53 bits at most, `position` the place in the whole sequence of the token that is drawn. */
export function noiseAt(seed: number, stream: number, position: number): Noise {
  const low = mix((seed >>> 0) ^ 0x243f6a88)
  const high = mix(Math.floor(seed / 2 ** 32) ^ low ^ 0x13198a2e)
  const a = mix(Math.imul(stream + 1, 0x9e3779b1) ^ high)
  const first = mix(position ^ a) | 0
  const second = mix(first ^ low ^ 0x03707344) ^ high

  const bits = (token: number): number => bitsOf(token, first, second) >>> 0
  return { bits, gumbel: (token) => gumbelOf(bits(token)), keys: { first, second } }
}

/** The random bits of a token, as a whole number with a sign. */
export function bitsOf(token: number, first: number, second: number): number {
  return mixed(mixed((token + first) | 0) ^ second)
}

/** Of the uniform `1 - (bits + 1/2) / 2^32`, which is neither 0 nor 1. */
export function gumbelOf(bits: number): number {
  return -log(-log(1 - (bits + 0.5) / 2 ** 32))
}

/** A number from 0 to below 1, of 53 random bits; for streams that draw one number at a position and no noise. */
export function uniformAt(seed: number, stream: number, position: number): number {
  const { bits } = noiseAt(seed, stream, position)
  return ((bits(0) >>> 5) * 2 ** 26 + (bits(1) >>> 6)) / 2 ** 53
}

/** Every bit of a 32-bit word depends on all bits of another (constants by Chris Wellons' search for the least bias). */
function mixed(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return x ^ (x >>> 16)
}

function mix(x: number): number {
  return mixed(x) >>> 0
}
