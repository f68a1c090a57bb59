// From the options of a generation to how its tokens are chosen and its drafts accepted.

import { ArgumentError } from '../../engine/errors.ts'
import type { LlamaConfig } from '../../model/config.ts'
import type { GenerateOptions } from '../options.ts'
import { createSampler, isGreedy, planSampling } from '../sampler.ts'
import type { Acceptance } from './acceptance.ts'
import { acceptByEquality } from './equality.ts'
import { acceptByRejection } from './rejection.ts'

/** `acceptance` is undefined where the most likely tokens are wanted; `seed` where it has no effect. Throws {@link ArgumentError}. */
export function planAcceptance(
  options: Pick<GenerateOptions, 'accept' | 'draftTemperature' | 'seed' | 'clock'> & Parameters<typeof planSampling>[0],
  { vocabSize }: LlamaConfig,
): { acceptance: Acceptance | undefined; seed: number | undefined } {
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
  const sampling = planSampling(options, vocabSize)
  const used = sampling.temperature === 0 ? undefined : seed
  if (isGreedy(sampling)) return { acceptance: undefined, seed: used }
  const acceptance =
    accept === 'rejection'
      ? acceptByRejection({ sampling, vocabSize, seed, draftTemperature, clock })
      : acceptByEquality(createSampler(sampling, { vocabSize, seed, clock }))
  return { acceptance, seed: used }
}
