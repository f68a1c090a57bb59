// From the options of a generation to how its tokens are chosen and its drafts accepted.

import { ArgumentError } from '../../engine/errors.ts'
import type { LlamaConfig } from '../../model/config.ts'
import type { GenerateOptions } from '../options.ts'
import { createSampler, createSamplingRoom, isGreedy, planSampling, type SamplingRoom } from '../sampler.ts'
import type { Acceptance } from './acceptance.ts'
import { acceptByEquality } from './equality.ts'
import { acceptByRejection, expectDraftTemperature } from './rejection.ts'

/** Memory to choose tokens in, made when the first text needs it: the texts of a batch take their turns with one. */
export function shareRoom({ vocabSize }: LlamaConfig): () => SamplingRoom {
  let room: SamplingRoom | undefined
  return () => {
    room ??= createSamplingRoom(vocabSize)
    return room
  }
}

/**
 * `accepting` makes what its text alone has, in `room`; it is undefined where the most likely tokens are wanted, and `seed` where it
 * has no effect. Throws {@link ArgumentError} at once.
 */
export function planAcceptance(
  options: Pick<GenerateOptions, 'accept' | 'draftTemperature' | 'seed' | 'clock'> & Parameters<typeof planSampling>[0],
  { vocabSize }: LlamaConfig,
  room: () => SamplingRoom,
): { accepting: (() => Acceptance) | undefined; seed: number | undefined } {
  const { accept = 'equality', draftTemperature, seed = Math.floor(Math.random() * 2 ** 32), clock } = options
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ArgumentError(`the seed is ${seed}, expected a whole number from 0 to 2^53 - 1`)
  }
  if (accept !== 'equality' && accept !== 'rejection') {
    throw new ArgumentError(`accept is "${String(accept)}", expected "equality" or "rejection"`)
  }
  if (draftTemperature !== undefined && accept !== 'rejection') {
    throw new ArgumentError(
      'draftTemperature is for accept: "rejection"; by equality drafts are sampled as the text is',
    )
  }
  if (draftTemperature !== undefined) expectDraftTemperature(draftTemperature)
  const sampling = planSampling(options, vocabSize)
  const used = sampling.temperature === 0 ? undefined : seed
  if (isGreedy(sampling)) return { accepting: undefined, seed: used }
  const accepting = (): Acceptance => {
    const sampler = { vocabSize, seed, room: room(), clock }
    if (accept === 'rejection') return acceptByRejection({ sampling, draftTemperature, ...sampler })
    return acceptByEquality(createSampler(sampling, sampler))
  }
  return { accepting, seed: used }
}
