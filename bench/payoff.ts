// Does drafting for oneself pay here? From what passes cost on this machine, the speed-up by how much a draft skips and how
// often it is right (Leviathan et al. 2023, theorem 3.8, with measured costs in place of constant ones).

import { type PassCost, type PassCostOptions, passCosts } from '../decode/pass-cost.ts'
import { ArgumentError } from '../engine/errors.ts'
import type { Llama } from '../model/llama.ts'
import type { SkipSet } from '../model/skip.ts'
import { costAt, type ExtrapolatedPass, extrapolate, fitLayers, type LayerFit, layerCounts } from './layer-fit.ts'

export interface PayoffOptions extends Omit<PassCostOptions, 'passes'> {
  /** Shares of the layers that drafts leave out, 0 to 1. */
  readonly shares: readonly number[]
  /** Chances that a drafted token is the model's, given that those before it were, 0 to 1. */
  readonly acceptances: readonly number[]
  /** Draft lengths up to this are considered. */
  readonly longest: number
  /** Layers of the model that is asked about; default those of the model that runs, which may be the first few of it. */
  readonly layers?: number | undefined
}

/** What drafts bring at an acceptance, at the best length. */
export interface Gain {
  readonly acceptance: number
  /** 0 for plain decoding. */
  readonly draftLength: number
  /** Over plain decoding. */
  readonly speedup: number
}

/** What drafts bring under some costs. */
export interface Outlook {
  /** The acceptance from which on drafting is faster than plain decoding, at its best length; 1 where none is enough. */
  readonly breakEven: number
  readonly gains: readonly Gain[]
}

/** What drafts that leave out a share of the layers, the last ones, bring; without prefix reuse and with it. */
export interface PayoffRow extends Outlook {
  readonly share: number
  readonly layersSkipped: number
  /** A draft pass over a plain one. */
  readonly draftCost: number
  readonly reuse: Outlook & {
    /** The part of a plain pass below the first skipped sublayer. */
    readonly prefixShare: number
  }
}

/** What passes cost, by rows from 1 to `longest + 1`: as measured, or by a line through what fewer layers cost. */
export type PayoffPasses =
  | { readonly source: 'measured'; readonly passes: readonly PassCost[] }
  | {
      readonly source: 'extrapolated'
      readonly passes: readonly ExtrapolatedPass[]
      readonly fits: readonly LayerFit[]
    }

export type Payoff = PayoffPasses & {
  /** Of the model asked about, and of these those that ran. */
  readonly layers: number
  readonly layersRun: number
  readonly rows: readonly PayoffRow[]
}

/**
 * Measures passes by rows and by layers, interleaved, and says what follows. Throws {@link ArgumentError} where fewer layers
 * are asked about than run, and where a line is to be laid through one layer.
 */
export async function payoff(llama: Llama, options: PayoffOptions): Promise<Payoff> {
  const { shares, acceptances } = options
  const layersRun = llama.config.numHiddenLayers
  const { layers = layersRun } = options
  if (layers < layersRun || (layers > layersRun && layersRun < 2)) {
    throw new ArgumentError(
      `what ${layers} layers cost cannot be told from ${layersRun}; run 2 of them or more, or all`,
    )
  }
  const skips = shares.map((share) => Math.round(share * layers))
  const { draftCosts, ...measured } = await (layers > layersRun ? fromFew : fromAll)(llama, {
    ...options,
    layers,
    skips,
  })
  const verifyCosts = measured.passes.map(({ ratio }) => ratio)
  const outlook = (costs: Costs): Outlook => ({
    breakEven: breakEven(costs),
    gains: acceptances.map((acceptance) => ({ acceptance, ...bestLength(acceptance, costs) })),
  })
  return {
    ...measured,
    layers,
    layersRun,
    rows: shares.map((share, i) => {
      const [draftCost, layersSkipped] = [draftCosts[i]!, skips[i]!]
      const prefixShare = prefixBelow({ draftCost, layersSkipped, layers })
      return {
        share,
        layersSkipped,
        draftCost,
        ...outlook({ draftCost, verifyCosts }),
        reuse: { prefixShare, ...outlook({ draftCost, verifyCosts, prefixShare }) },
      }
    }),
  }
}

interface Wanted extends PayoffOptions {
  readonly layers: number
  /** Layers that each draft leaves out. */
  readonly skips: readonly number[]
}

/** Passes, and what each draft costs over a pass of one row. */
type Measured = PayoffPasses & { readonly draftCosts: readonly number[] }

async function fromAll(llama: Llama, { skips, layers, ...options }: Wanted): Promise<Measured> {
  const sizes = passSizes(options)
  const drafts = skips.map((count) => ({ rows: 1, skip: lastLayers(layers, count) }))
  const costs = await passCosts(llama, { ...options, passes: [...sizes.map((rows) => ({ rows })), ...drafts] })
  return {
    source: 'measured',
    passes: costs.slice(0, sizes.length),
    draftCosts: costs.slice(sizes.length).map(({ ratio }) => ratio),
  }
}

async function fromFew(llama: Llama, { skips, layers, ...options }: Wanted): Promise<Measured> {
  const { numHiddenLayers } = llama.config
  const counts = layerCounts(numHiddenLayers)
  // The most layers first, for that is what others are compared with.
  const passes = passSizes(options).flatMap((rows) =>
    counts.toReversed().map((count) => ({ rows, skip: lastLayers(numHiddenLayers, numHiddenLayers - count) })),
  )
  const costs = await passCosts(llama, { ...options, passes })
  const fits = passSizes(options).map((_, i) =>
    fitLayers(counts, costs.slice(i * counts.length, (i + 1) * counts.length).toReversed()),
  )
  const one = fits[0]!
  return {
    source: 'extrapolated',
    passes: extrapolate(fits, layers),
    fits,
    draftCosts: skips.map((count) => costAt(one, layers - count) / costAt(one, layers)),
  }
}

/** 1 to the longest draft and one. */
function passSizes({ longest }: Pick<PayoffOptions, 'longest'>): number[] {
  return Array.from({ length: longest + 1 }, (_, i) => i + 1)
}

function lastLayers(layers: number, count: number): SkipSet {
  const list = Array.from({ length: count }, (_, i) => layers - count + i)
  return { attention: list, mlp: list }
}

/**
 * The part of a plain pass that the layers before the skipped ones, the last, take: each takes what a skipped one saves. It
 * is no more than a draft, which runs them all.
 */
export function prefixBelow(draft: { draftCost: number; layersSkipped: number; layers: number }): number {
  const { draftCost, layersSkipped, layers } = draft
  if (layersSkipped === 0) return Math.min(1, draftCost)
  const layer = Math.max(0, 1 - draftCost) / layersSkipped
  return Math.min(draftCost, (layers - layersSkipped) * layer)
}

/** Costs over those of a plain pass. */
export interface Costs {
  readonly draftCost: number
  /** `[longest + 1]`: of passes of 1, 2, ... rows. */
  readonly verifyCosts: readonly number[]
  /** The part of a plain pass that drafting has done for verification; default 0. */
  readonly prefixShare?: number
}

/**
 * The draft length that gives the most tokens in a time; 0, plain decoding, where none gives more. A round of k drafts gives
 * 1 + a + ... + a^k tokens in k drafts and a pass of k + 1 rows; of the part f of it that is reused, only the newest token's
 * row is left to run: `k*c + f + (1-f)*T(k+1)`.
 */
export function bestLength(acceptance: number, costs: Costs): { draftLength: number; speedup: number } {
  const { draftCost, verifyCosts, prefixShare = 0 } = costs
  let best = { draftLength: 0, speedup: 1 }
  let tokens = 1
  for (let draftLength = 1; draftLength < verifyCosts.length; draftLength++) {
    tokens += acceptance ** draftLength
    const verify = prefixShare + (1 - prefixShare) * verifyCosts[draftLength]!
    const speedup = tokens / (draftLength * draftCost + verify)
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
