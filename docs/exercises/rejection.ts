// Exercise: acceptance by rejection. What to do says rejection.md.

import { draw } from './draw.ts'
import type { Round } from './rejection-checks.ts'

/** The tokens that a round keeps: drafted ones up to the first that falls, and then one of the model's own. */
export default function accept({ drafted, p, uniform }: Round): number[] {
  // Yours. Until then every drafted token is believed.
  return [...drafted, draw(p[drafted.length]!, uniform())]
}
