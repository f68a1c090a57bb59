// Does drafting for oneself pay here? From what passes cost on this machine, the speed-up by how much a draft skips and how
// often it is right (Leviathan et al. 2023, theorem 3.8, with measured costs in place of constant ones).

import type { Turn } from '../engine/turn.ts'
import type { Llama } from '../model/llama.ts'
import type { SkipSet } from '../model/skip.ts'
import { type PassCost, passCosts } from './pass-cost.ts'

export interface PayoffOptions {
  /** Shares of the layers that drafts leave out, 0 to 1. */
  readonly shares: readonly number[]
  /** Chances that a drafted token is the model's, given that those before it were, 0 to 1. */
  readonly acceptances: readonly number[]
  /** Draft lengths up to this are considered. */
  readonly longest: number
  readonly context: number
  readonly repeats: number
  readonly turn: Turn
}

/** What drafts that leave out a share of the layers bring. */
export interface PayoffRow {
  readonly share: number
  /** A draft pass over a plain one. */
  readonly draftCost: number
  /** The acceptance from which on drafting is faster than plain decoding, at its best length; 1 where none is enough. */
  readonly breakEven: number
  readonly gains: readonly { readonly acceptance: number; readonly draftLength: number; readonly speedup: number }[]
}

export interface Payoff {
  /** By rows, from 1 to `longest + 1`. */
  readonly passes: readonly PassCost[]
  readonly rows: readonly PayoffRow[]
}

/** Measures passes by rows and by share skipped, interleaved, and says what follows. */
export async function payoff(llama: Llama, options: PayoffOptions): Promise<Payoff> {
  const { shares, acceptances, longest } = options
  const sizes = Array.from({ length: longest + 1 }, (_, i) => i + 1)
  const measured = await passCosts(llama, {
    ...options,
    passes: [
      ...sizes.map((rows) => ({ rows })),
      ...shares.map((share) => ({ rows: 1, skip: lastLayers(llama.config.numHiddenLayers, share) })),
    ],
  })
  const passes = measured.slice(0, sizes.length)
  const verifyCosts = passes.map(({ ratio }) => ratio)
  return {
    passes,
    rows: shares.map((share, i) => {
      const draftCost = measured[sizes.length + i]!.ratio
      const costs = { draftCost, verifyCosts }
      return {
        share,
        draftCost,
        breakEven: breakEven(costs),
        gains: acceptances.map((acceptance) => ({ acceptance, ...bestLength(acceptance, costs) })),
      }
    }),
  }
}

/** Costs over those of a plain pass. */
export interface Costs {
  readonly draftCost: number
  /** `[longest + 1]`: of passes of 1, 2, ... rows. */
  readonly verifyCosts: readonly number[]
}

/** The draft length that gives the most tokens in a time; 0, plain decoding, where none gives more. */
export function bestLength(acceptance: number, costs: Costs): { draftLength: number; speedup: number } {
  let best = { draftLength: 0, speedup: 1 }
  let tokens = 1
  for (let draftLength = 1; draftLength < costs.verifyCosts.length; draftLength++) {
    tokens += acceptance ** draftLength
    const speedup = tokens / (draftLength * costs.draftCost + costs.verifyCosts[draftLength]!)
    if (speedup > best.speedup) best = { draftLength, speedup }
  }
  return best
}

/**
 * The acceptance from which on drafting is faster than plain decoding; 1 where none is. Found by halving: a draft that is
 * right more often never brings less.
 */
export function breakEven(costs: Costs): number {
  let [low, high] = [0, 1]
  if (bestLength(1, costs).speedup <= 1) return 1
  while (high - low > 1e-4) {
    const middle = (low + high) / 2
    if (bestLength(middle, costs).speedup > 1) high = middle
    else low = middle
  }
  return high
}

function lastLayers(layers: number, share: number): SkipSet {
  const count = Math.round(share * layers)
  const list = Array.from({ length: count }, (_, i) => layers - count + i)
  return { attention: list, mlp: list }
}
