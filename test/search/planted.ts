// Objectives made up for tests: skip sets whose worth follows from a formula, with the best of them planted and so known.

import { seeded } from '../../decode/seeded.ts'
import type { Evaluation, Inside, Objective } from '../../search/objective.ts'
import type { Point } from '../../search/space.ts'

export interface Planted extends Objective {
  readonly inside: Inside
  /** The best point, and its speed-up. */
  readonly optimum: Point
  readonly best: number
  at(point: Point): Evaluation
}

export interface PlantedOptions {
  readonly sublayers: number
  readonly seed: number
  /** What a further row adds to a pass, over a plain pass; default 0.05. With 0.3 most sets are worth no more than plain decoding. */
  readonly perRow?: number
  /** Which sublayers are planted; default a random half, `late` a suffix with a few exceptions. */
  readonly where?: 'anywhere' | 'late'
}

/** What two sublayers cost of the logarithm of the acceptance, beyond what each does: skipped both, or only one of them. */
interface Pair {
  readonly a: number
  readonly b: number
  readonly when: 'both' | 'one'
  readonly hurt: number
}

const acceptance = 0.95
const longest = 12

/**
 * Sublayers in the planted set cost no acceptance, unless without their partners; each other one costs at least
 * `exp(-2 * its time)` of it. So no set's acceptance is above `0.95 * exp(-2 * t)`, t being the time of what it skips beside the
 * planted ones, and none is better than {@link bound} of some t says: if that falls from t = 0 on, the planted set is the best.
 */
export function planted({ sublayers, seed, perRow = 0.05, where = 'anywhere' }: PlantedOptions): Planted {
  const { below, shuffled } = seeded(seed, 'planted', sublayers)
  const uniform = (low: number, high: number): number => low + ((high - low) * below(1e6)) / 1e6
  const all = Array.from({ length: sublayers }, (_, sublayer) => sublayer)

  const raw = all.map((sublayer) => (sublayer % 2 ? 1.6 : 1) * uniform(0.9, 1.1))
  const total = raw.reduce((sum, cost) => sum + cost, 0)
  const costs = raw.map((cost) => (0.9 * cost) / total)

  const late = all.filter((sublayer) => sublayer >= sublayers * 0.35)
  const chosen =
    where === 'late' ? shuffled(late).slice(Math.round(late.length * 0.15)) : shuffled(all).slice(0, sublayers / 2)
  const optimum = all.map((sublayer) => chosen.includes(sublayer))
  const hurts = all.map((sublayer) => (optimum[sublayer] ? 0 : costs[sublayer]! * uniform(2, 6)))

  const [inner, outer] = [all.filter((i) => optimum[i]), all.filter((i) => !optimum[i])].map(shuffled)
  const partners: Pair[] = inner!.slice(0, Math.round(sublayers / 8)).map((a, i) => {
    const b = inner![inner!.length - 1 - i]!
    return { a, b, when: 'one', hurt: uniform(0.2, 1) * (costs[a]! + costs[b]!) }
  })
  const both: Pair[] = all.slice(0, Math.round(sublayers / 2)).map(() => {
    const a = outer![below(outer!.length)]!
    const b = (a + 1 + below(sublayers - 1)) % sublayers
    return { a, b, when: 'both', hurt: uniform(0, 3) * (costs[a]! + costs[b]!) }
  })
  const pairs = [...partners, ...both]

  function at(point: Point): Evaluation {
    let [draft, exponent] = [1, 0]
    for (let i = 0; i < sublayers; i++) {
      if (!point[i]) continue
      draft -= costs[i]!
      exponent += hurts[i]!
    }
    for (const { a, b, when, hurt } of pairs) {
      if (when === 'both' ? point[a] && point[b] : point[a] !== point[b]) exponent += hurt
    }
    return evaluation({ accepted: acceptance * Math.exp(-exponent), draft, perRow })
  }

  return {
    sublayers,
    id: `planted-${sublayers}-${seed}`,
    costs,
    optimum,
    best: at(optimum).drafted!,
    at,
    evaluate: async (points) => points.map(at),
    inside: residualStream({
      strengths: all.map((i) => (optimum[i] ? uniform(0, 2.4 / sublayers) : 2 * uniform(0.5, 1.5) * hurts[i]!)),
      seed,
    }),
  }
}

/** The most that a set can be worth which skips the planted sublayers and others that take `time` of a plain pass. */
export function bound(time: number, { objective, perRow }: { objective: Planted; perRow: number }): number {
  const { costs, optimum } = objective
  const draft = costs.reduce((left, cost, i) => left - (optimum[i] ? cost : 0), 1) - time
  return evaluation({ accepted: acceptance * Math.exp(-2 * time), draft, perRow }).drafted!
}

/** The best draft length, where each drafted token stands with the same chance, and m rows cost `1 + perRow * (m - 1)`. */
function evaluation({ accepted, draft, perRow }: { accepted: number; draft: number; perRow: number }): Evaluation {
  const survival = Array.from({ length: longest }, (_, i) => accepted ** (i + 1))
  let [drafted, draftLength, tokens] = [0, 0, 1]
  survival.forEach((share, i) => {
    tokens += share
    const now = tokens / ((i + 1) * draft + 1 + perRow * (i + 1))
    if (now > drafted) [drafted, draftLength] = [now, i + 1]
  })
  const pays = drafted > 1
  return { speedup: pays ? drafted : 1, drafted, draftLength: pays ? draftLength : 0, survival, draft }
}

/** Each sublayer adds to a sample's state a vector of its own, and turns it a little, by so much of its length. */
function residualStream({ strengths, seed }: { strengths: readonly number[]; seed: number }): Inside {
  const [hiddenSize, samples] = [32, 4]
  const { below } = seeded(seed, 'stream')
  const vector = (): Float32Array => Float32Array.from({ length: hiddenSize }, () => (below(2001) - 1000) / 1000)
  const added = strengths.map(() => Array.from({ length: samples }, vector))
  const first = Array.from({ length: samples }, vector)
  const step = (sublayer: number, states: readonly Float32Array[]): Float32Array[] =>
    states.map((state, sample) => {
      const own = added[sublayer]![sample]!
      return state.map((x, i) => x + strengths[sublayer]! * (own[i]! + 0.3 * state[(i + 1) % hiddenSize]!))
    })
  return {
    async states() {
      const states = [first]
      for (let sublayer = 0; sublayer < strengths.length; sublayer++) states.push(step(sublayer, states.at(-1)!))
      return states
    },
    run: async (sublayer, variants) => variants.map((states) => step(sublayer, states)),
  }
}
