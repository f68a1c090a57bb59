// What a pass through all layers of a model costs, from passes through a few: its layers are alike, so that the cost is a
// line, T(m, L) = rest + L * layer, whose rest is the embedding, the head and what a pass costs by itself.

import type { PassCost } from '../decode/pass-cost.ts'
import type { Spread } from '../decode/timing.ts'

/** Milliseconds of a pass by its layers. */
export interface LayerLine {
  /** What a pass costs without any layer. */
  readonly rest: number
  /** What each layer adds. */
  readonly layer: number
}

/** Passes of so many rows: what was measured, and the line through that. */
export interface LayerFit extends LayerLine {
  readonly rows: number
  /** In ascending order of layers; the line goes through the medians of the first and the last. */
  readonly measured: readonly { readonly layers: number; readonly ms: Spread }[]
  /** At the count in between, where there was room for one: the line less what was measured, as a share of that. */
  readonly residual?: { readonly layers: number; readonly share: number }
  /** Operations of the backend's library, where it counts them: a line through counts, which is exact. */
  readonly operations?: LayerLine
}

/** The counts of layers at which passes are measured: the most, a third of that, and one in between as a check. */
export function layerCounts(most: number): number[] {
  const least = Math.max(1, Math.round(most / 3))
  return [...new Set([least, Math.round((least + most) / 2), most])]
}

/** The line through two points. Costs are not below 0: where noise says so, the nearest line of which that holds. */
export function fitLine(a: LayerPoint, b: LayerPoint): LayerLine {
  const layer = (b.cost - a.cost) / (b.layers - a.layers)
  if (layer < 0) return { rest: (a.cost + b.cost) / 2, layer: 0 }
  const rest = a.cost - a.layers * layer
  if (rest >= 0) return { rest, layer }
  return { rest: 0, layer: (a.layers * a.cost + b.layers * b.cost) / (a.layers ** 2 + b.layers ** 2) }
}

export interface LayerPoint {
  readonly layers: number
  readonly cost: number
}

/** Milliseconds, or operations, at so many layers. */
export function costAt({ rest, layer }: LayerLine, layers: number): number {
  return rest + layers * layer
}

/** The fit of passes of equal rows through `counts[i]` layers, in ascending order. */
export function fitLayers(counts: readonly number[], costs: readonly PassCost[]): LayerFit {
  const measured = counts.map((layers, i) => ({ layers, ms: costs[i]!.ms }))
  const points = measured.map(({ layers, ms }) => ({ layers, cost: ms.median }))
  const line = fitLine(points[0]!, points.at(-1)!)
  const between = points.length > 2 ? points[1] : undefined
  const operations = costs.map(({ operations }, i) => ({ layers: counts[i]!, cost: operations?.count ?? 0 }))
  return {
    rows: costs[0]!.rows,
    measured,
    ...line,
    ...(between && {
      residual: { layers: between.layers, share: costAt(line, between.layers) / between.cost - 1 },
    }),
    ...(costs[0]!.operations && { operations: fitLine(operations[0]!, operations.at(-1)!) }),
  }
}

/** What the line says of a model with so many layers. */
export interface ExtrapolatedPass {
  readonly rows: number
  /** Milliseconds of one pass. */
  readonly ms: Pick<Spread, 'median'>
  /** Over the cost of one row. */
  readonly ratio: number
  readonly operations?: { readonly count: number; readonly microseconds: number }
}

/** Passes through so many layers; the first fit is that of one row. */
export function extrapolate(fits: readonly LayerFit[], layers: number): ExtrapolatedPass[] {
  const one = costAt(fits[0]!, layers)
  return fits.map((fit) => {
    const median = costAt(fit, layers)
    const count = fit.operations && Math.round(costAt(fit.operations, layers))
    return {
      rows: fit.rows,
      ms: { median },
      ratio: median / one,
      ...(count && { operations: { count, microseconds: (median * 1000) / count } }),
    }
  })
}
