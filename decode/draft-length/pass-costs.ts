// What a round should cost over a plain one, before it is measured: the prior's figures, or a guess that measuring scales.

import type { DraftCosts } from '../../model/draft-costs.ts'

/** A round of `length` drafted tokens for each of `lanes` sequences; `runs`: the draft runs the model for them. */
export interface RoundShape {
  readonly runs: boolean
  readonly length: number
  readonly lanes: number
}

type PassCosts = Pick<DraftCosts, 'draft' | 'verify' | 'prefix'>

/** Where nothing was measured: a draft pass is 0.6 of a plain one, and each row that a pass has more adds 0.2. */
const unknown: PassCosts = { draft: 0.6, verify: [1, 1.2] }

/**
 * The cost of a round over that of a plain one of as many lanes: `k*c + f + (1-f)*T(k+1)` for k tokens of a draft that runs the
 * model, of which the part f need not be done again, and `T(k+1)` for guesses. `verify` goes on beyond its end as it ends.
 */
export function roundCost({ runs, length, lanes }: RoundShape, costs: PassCosts = unknown): number {
  const { draft, verify, prefix = 0 } = costs
  const pass = passCosts(verify)
  const verifying = pass(lanes * (length + 1)) / pass(lanes)
  return runs ? length * draft + prefix + (1 - prefix) * verifying : verifying
}

function passCosts(measured: readonly number[]): (rows: number) => number {
  const verify = measured.length > 1 ? measured : unknown.verify
  const last = verify.length - 1
  const slope = verify[last]! - verify[last - 1]!
  return (rows) => verify[rows - 1] ?? verify[last]! + Math.max(0, slope) * (rows - verify.length)
}
