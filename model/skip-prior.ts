// What is known of a skip set beside its layers: what drafting with it costs, by backend, and how far its drafts hold. Kept
// in a skip file's entry, checked here.

import { ModelFormatError } from '../engine/errors.ts'
import type { DraftCosts } from './draft-costs.ts'
import { asObject, describe, type JsonObject } from './load/json.ts'

/** Costs over those of a plain pass of one row, as they were measured on one backend. */
export interface SkipCosts {
  /** The backend's name, as `listBackends` has it. */
  readonly backend: string
  /** The type in which most weights ran. */
  readonly dtype: string
  readonly threads: number
  /** One draft pass of one row. */
  readonly draft: number
  /** `verify[m - 1]`: a pass of the full model over m rows; the first is 1. */
  readonly verify: readonly number[]
  /** The part of a plain pass below the first skipped sublayer, which drafting has done for verification. */
  readonly prefix?: number
}

/** What a skip file's entry tells beside the set. */
export interface SkipPrior {
  /** Each backend, type and number of threads at most once. */
  readonly costs?: readonly SkipCosts[]
  /** `survival[k - 1]`: the share of rounds of which k drafted tokens are accepted, had there been as many. */
  readonly survival?: readonly number[]
}

/** What a model runs on. */
export interface Runner {
  readonly backend: string
  readonly dtype: string
  readonly threads: number
}

/** More than that is no measurement. */
const most = { costs: 64, numbers: 256, letters: 200, threads: 2 ** 16 }

/**
 * `costs` and `survival` of an entry, where it has them; what else they hold is left out. Throws {@link ModelFormatError},
 * which names `where` and the key.
 */
export function parsePrior(entry: JsonObject, where: string): SkipPrior | undefined {
  const costs = entry['costs'] === undefined ? undefined : parseCosts(entry['costs'], where)
  const survival = entry['survival'] === undefined ? undefined : parseSurvival(entry['survival'], where)
  return costs || survival ? { ...(costs && { costs }), ...(survival && { survival }) } : undefined
}

/**
 * What drafting costs and brings on a backend, where both are known: by the costs that were measured there in the same type
 * with as many threads, or else with the number of threads that is nearest, the smaller of two.
 */
export function draftCostsOn(
  { costs = [], survival }: SkipPrior,
  { backend, dtype, threads }: Runner,
): DraftCosts | undefined {
  const distance = (of: SkipCosts): number => Math.abs(of.threads - threads)
  const [nearest] = costs
    .filter((of) => of.backend === backend && of.dtype === dtype)
    .sort((a, b) => distance(a) - distance(b) || a.threads - b.threads)
  if (!nearest || !survival) return undefined
  const { draft, verify, prefix } = nearest
  return { draft, verify, ...(prefix !== undefined && { prefix }), survival }
}

function parseCosts(value: unknown, where: string): readonly SkipCosts[] {
  const list = listOf(value, { most: most.costs, of: 'costs', where: `${where}: "costs"` })
  const seen = new Set<string>()
  return list.map((item, i) => {
    const inside = `${where}: "costs[${i}]"`
    const { backend, dtype, threads, draft, verify, prefix } = asObject(item, inside)
    const costs = {
      backend: word(backend, `${inside}: "backend"`),
      dtype: word(dtype, `${inside}: "dtype"`),
      threads: wholeThreads(threads, `${inside}: "threads"`),
      draft: positive(draft, `${inside}: "draft"`),
      verify: parseVerify(verify, `${inside}: "verify"`),
      ...(prefix !== undefined && { prefix: part(prefix, `${inside}: "prefix"`) }),
    }
    const key = JSON.stringify([costs.backend, costs.dtype, costs.threads])
    if (seen.has(key)) {
      throw new ModelFormatError(
        `${inside} is a second one of ${costs.backend}, ${costs.dtype}, ${costs.threads} threads`,
      )
    }
    seen.add(key)
    return costs
  })
}

function parseVerify(value: unknown, where: string): readonly number[] {
  const list = listOf(value, { most: most.numbers, of: 'numbers', where })
  const costs = list.map((item, i) => positive(item, `${where}[${i}]`))
  if (costs[0] === 1) return costs
  throw new ModelFormatError(
    `${where} begins with ${costs[0]}; expected 1, since costs are over those of a plain pass of one row`,
  )
}

function parseSurvival(value: unknown, where: string): readonly number[] {
  const list = listOf(value, { most: most.numbers, of: 'shares', where: `${where}: "survival"` })
  let before = 1
  return list.map((share, i) => {
    if (typeof share !== 'number' || !(share >= 0 && share <= before)) {
      const limit = i === 0 ? 'a share from 0 to 1' : `a share from 0 to the one before it, ${before}`
      throw new ModelFormatError(`${where}: "survival"[${i}] is ${describe(share)}; expected ${limit}`)
    }
    before = share
    return share
  })
}

function listOf(value: unknown, { most, of, where }: { most: number; of: string; where: string }): readonly unknown[] {
  if (!Array.isArray(value)) throw new ModelFormatError(`${where} is ${describe(value)}; expected a list of ${of}`)
  if (value.length >= 1 && value.length <= most) return value
  throw new ModelFormatError(`${where} has ${value.length} ${of}; expected 1 to ${most}`)
}

function word(value: unknown, where: string): string {
  if (typeof value === 'string' && value.length >= 1 && value.length <= most.letters) return value
  throw new ModelFormatError(`${where} is ${describe(value)}; expected a name of 1 to ${most.letters} letters`)
}

function wholeThreads(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= most.threads) return value
  throw new ModelFormatError(`${where} is ${describe(value)}; expected a whole number from 1 to ${most.threads}`)
}

function part(value: unknown, where: string): number {
  if (typeof value === 'number' && value >= 0 && value < 1) return value
  throw new ModelFormatError(`${where} is ${describe(value)}; expected a part of a pass, from 0 to below 1`)
}

function positive(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
  throw new ModelFormatError(`${where} is ${describe(value)}; expected a number above 0`)
}
