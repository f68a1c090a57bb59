// What drafting was measured to cost and to bring, as a skip file keeps it: beside what was measured on other backends.

import type { Model } from '../model/load-model.ts'
import type { SkipSet } from '../model/skip.ts'
import { parseSkipEntry, skipFormat } from '../model/skip-file.ts'
import type { SkipCosts, SkipPrior } from '../model/skip-prior.ts'
import { nonDecreasing } from '../search/non-decreasing.ts'
import type { Attainable } from './speculate.ts'

/**
 * The costs of this run, and what is known from others of other backends, types and numbers of threads. How far drafts hold
 * depends little on these, and on the texts: survival is the mean over the runs, of which this one replaces its own kind.
 */
export function mergedPrior(
  known: SkipPrior | undefined,
  model: Pick<Model, 'backend' | 'summary'>,
  { costs, survival }: Pick<Attainable, 'costs' | 'survival'>,
): SkipPrior {
  const { backend, summary } = model
  const here: SkipCosts = {
    backend: backend.name,
    dtype: summary.dtype,
    threads: backend.capabilities.threads,
    draft: rounded(costs.draft),
    verify: verifyCosts(costs.verify).map(rounded),
    prefix: rounded(Math.min(costs.prefixShare, mostPrefix)),
  }
  const others = (known?.costs ?? []).filter(
    (of) => of.backend !== here.backend || of.dtype !== here.dtype || of.threads !== here.threads,
  )
  const { survival: before = [] } = others.length > 0 ? (known ?? {}) : {}
  const mean = meanSurvival({ shares: before, weight: others.length }, { shares: survival, weight: 1 })
  return { costs: [...others, here], survival: mean.map(rounded) }
}

/** A skip file's text with the entry of a model replaced: `content` is what the file holds, if there is one. */
export function skipFileWith(
  content: unknown,
  { where, model, skip, attainable }: { where: string; model: Model; skip: SkipSet; attainable: Attainable },
): string {
  const entries = content === undefined ? {} : Object(content)
  const before = Object.hasOwn(entries, model.name) ? entries[model.name] : undefined
  const known = before && parseSkipEntry(content, { where, modelName: model.name })
  const same = known && JSON.stringify(known.skip) === JSON.stringify(skip) ? known.prior : undefined
  const prior = mergedPrior(same, model, attainable)
  const entry = { ...Object(before), attention: skip.attention, mlp: skip.mlp, ...prior }
  return `${JSON.stringify({ format: skipFormat, ...entries, [model.name]: entry }, null, 2)}\n`
}

/** The part of a pass that is not done again is never all of it. */
const mostPrefix = 0.99

/** A pass of more rows takes no less. The first, 1, is what the others are over, and stays. */
function verifyCosts([one = 1, ...more]: readonly number[]): number[] {
  return [one, ...nonDecreasing(more).map((cost) => Math.max(one, cost))]
}

interface WeightedSurvival {
  readonly shares: readonly number[]
  readonly weight: number
}

/** The mean of two: deeper than the shorter one goes, by the chances of the longer from one depth to the next. */
function meanSurvival(a: WeightedSurvival, b: WeightedSurvival): number[] {
  const [longer, shorter] = a.shares.length >= b.shares.length ? [a, b] : [b, a]
  const means: number[] = []
  for (const [at, share] of longer.shares.entries()) {
    const other = shorter.shares[at]
    const before = longer.shares[at - 1] ?? 1
    if (other === undefined) means.push(before > 0 ? (means[at - 1] ?? 1) * (share / before) : 0)
    else means.push((share * longer.weight + other * shorter.weight) / (longer.weight + shorter.weight))
  }
  return means
}

/** Four digits after the point say all that a measurement knows. */
function rounded(figure: number): number {
  return Math.round(figure * 1e4) / 1e4
}
