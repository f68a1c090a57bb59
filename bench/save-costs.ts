// What drafting was measured to cost and to bring, as a skip file keeps it: beside what was measured on other backends.

import type { Model } from '../model/load-model.ts'
import type { SkipSet } from '../model/skip.ts'
import { parseSkipEntry, skipFormat } from '../model/skip-file.ts'
import type { SkipCosts, SkipPrior } from '../model/skip-prior.ts'
import type { Attainable } from './speculate.ts'

/** The costs of this run, and what is known from others of other backends, types and numbers of threads. */
export function mergedPrior(known: SkipPrior | undefined, model: Model, { costs, survival }: Attainable): SkipPrior {
  const { backend, summary } = model
  const here: SkipCosts = {
    backend: backend.name,
    dtype: summary.dtype,
    threads: backend.capabilities.threads,
    draft: rounded(costs.draft),
    verify: costs.verify.map(rounded),
  }
  const others = (known?.costs ?? []).filter(
    (of) => of.backend !== here.backend || of.dtype !== here.dtype || of.threads !== here.threads,
  )
  return { costs: [...others, here], survival: survival.map(rounded) }
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

/** Four digits after the point say all that a measurement knows. */
function rounded(figure: number): number {
  return Math.round(figure * 1e4) / 1e4
}
