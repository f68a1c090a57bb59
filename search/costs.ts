// What drafting costs here, by the sublayers that the draft runs: measured once for a backend, so that any skip set's cost is a
// sum.

import { type PassKind, passCosts } from '../decode/pass-cost.ts'
import type { Turn } from '../engine/turn.ts'
import type { Llama } from '../model/llama.ts'
import { noSkip, type SkipSet } from '../model/skip.ts'
import type { RoundCosts } from './attainable.ts'
import type { Point } from './space.ts'

/** Costs over those of a plain pass of one row. */
export interface SublayerCosts {
  /** Of each sublayer in a draft pass, `[2 * layers]`. */
  readonly sublayers: readonly number[]
  /** Of a draft pass, what runs whatever is skipped: embedding, head, choice of a token. */
  readonly around: number
  /** `verify[m - 1]`: a pass of the full model over m rows; the first is 1. */
  readonly verify: readonly number[]
}

/** What rounds cost that draft with a skip set. */
export function costsOf({ sublayers, around, verify }: SublayerCosts, point: Point): RoundCosts {
  const sum = (costs: readonly number[]): number => costs.reduce((total, cost) => total + cost, 0)
  const first = point.indexOf(true)
  return {
    draft: around + sum(sublayers.filter((_, sublayer) => !point[sublayer])),
    verify,
    prefixShare: Math.min(1, sum(sublayers.slice(0, first === -1 ? sublayers.length : first))),
  }
}

export interface CostOptions {
  /** The longest draft that is considered. */
  readonly longest: number
  /** Cached tokens before the rows of each pass. */
  readonly context: number
  /** Passes of each kind of which the cost is the median. */
  readonly repeats: number
  readonly turn: Turn
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Milliseconds; default the machine's clock. */
  readonly clock?: (() => number) | undefined
}

/**
 * Passes of 1 to `longest + 1` rows, and of one row without attention, without MLPs and without both. Sublayers of a kind
 * count alike. Throws `AbortError`.
 */
export async function measureCosts(llama: Llama, { longest, ...options }: CostOptions): Promise<SublayerCosts> {
  const layers = llama.config.numHiddenLayers
  const all = Array.from({ length: layers }, (_, layer) => layer)
  const drafts: SkipSet[] = [
    noSkip,
    { attention: all, mlp: [] },
    { attention: [], mlp: all },
    { attention: all, mlp: all },
  ]
  const sizes = Array.from({ length: longest + 1 }, (_, i): PassKind => ({ rows: i + 1 }))
  const measured = await passCosts(llama, {
    ...options,
    passes: [...sizes, ...drafts.map((skip) => ({ rows: 1, skip }))],
  })
  const ratios = measured.map(({ ratio }) => ratio)
  const [full, noAttention, noMlp, neither] = ratios.slice(sizes.length) as [number, number, number, number] // as many
  // The sum of three parts that is nearest to the four figures, in squares, and what all of them take is known best.
  const attention = Math.max(0, (full - noAttention + noMlp - neither) / 2 / layers)
  const mlp = Math.max(0, (full - noMlp + noAttention - neither) / 2 / layers)
  return {
    sublayers: Array.from({ length: 2 * layers }, (_, sublayer) => (sublayer % 2 === 0 ? attention : mlp)),
    around: Math.max(0, (full + noAttention + noMlp + neither) / 4 - (layers * (attention + mlp)) / 2),
    verify: ratios.slice(0, sizes.length),
  }
}
