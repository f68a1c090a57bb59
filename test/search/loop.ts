// The least loop that lets a strategy search: a memory of points, a budget, and an end.

import { seeded } from '../../decode/seeded.ts'
import type { Objective } from '../../search/objective.ts'
import { keyOf, type Point } from '../../search/space.ts'
import { initialPoints } from '../../search/strategies/index.ts'
import type { Strategy } from '../../search/strategies/strategy.ts'

export interface Searched {
  readonly point: Point
  readonly value: number
  /** Evaluations after which the best was known, and all. */
  readonly found: number
  readonly evaluations: number
  /** The best so far by evaluation. */
  readonly curve: readonly number[]
  /** What was yielded and known already. */
  readonly repeated: number
  /** Keys, in the order in which they were evaluated. */
  readonly keys: readonly string[]
  readonly ended: 'budget' | 'exhausted'
}

export interface SearchOptions {
  readonly strategy: Strategy
  readonly seed: number
  readonly budget: number
  /** What strategies are told of a set; by `speedup` all that are worth less than plain decoding look alike. */
  readonly told?: 'drafted' | 'speedup'
}

export async function searchWith(
  objective: Objective,
  { strategy, seed, budget, told = 'drafted' }: SearchOptions,
): Promise<Searched> {
  const memory = new Map<string, number>()
  const curve: number[] = []
  let best: { point: Point; value: number; found: number } | undefined
  let repeated = 0

  async function value(point: Point): Promise<number> {
    const key = keyOf(point)
    const known = memory.get(key)
    if (known !== undefined) {
      repeated++
      return known
    }
    const { speedup, drafted } = (await objective.evaluate([point]))[0]!
    const value = told === 'speedup' ? speedup : (drafted ?? speedup)
    memory.set(key, value)
    if (!best || speedup > best.value) best = { point, value: speedup, found: memory.size }
    curve.push(best.value)
    return value
  }

  const { sublayers, costs, inside } = objective
  const known = []
  for (const point of initialPoints(sublayers, budget)) known.push({ point, value: await value(point) })
  repeated = 0
  const asking = strategy.start({ sublayers, budget, costs, inside, random: seeded(seed, strategy.name), known })
  let ended: Searched['ended'] = 'exhausted'
  let inVain = 0
  let asked = await asking.next([])
  while (!asked.done) {
    const before = memory.size
    const values: number[] = []
    for (const point of asked.value) {
      if (memory.size >= budget && !memory.has(keyOf(point))) break
      values.push(await value(point))
    }
    if (values.length < asked.value.length) {
      ended = 'budget'
      await asking.return()
      break
    }
    inVain = memory.size > before ? 0 : inVain + 1
    if (inVain > 100) break
    asked = await asking.next(values)
  }
  return { ...best!, evaluations: memory.size, curve, repeated, keys: [...memory.keys()], ended }
}
