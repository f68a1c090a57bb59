// The model that is part of the package.

import type { WeightDType } from '../../engine/dtype.ts'

/** Stands for the embedded model; a folder of that name is `./stories`. */
export const embeddedName = 'stories'

/**
 * The types in which it runs unasked. Its file is bf16; in q8_0 it chooses the same token at 99.6 % of the positions of
 * its golden stories, and finds them as likely.
 */
export const embeddedTypes: readonly WeightDType[] = ['q8_0', 'bf16', 'f32']
