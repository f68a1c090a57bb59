// What a pass of the whole model costs by its number of rows: T(m), on which the gain of verifying drafts together rests.

import { interleave, type Spread, spread } from '../decode/timing.ts'
import type { Turn } from '../engine/turn.ts'
import { advance, truncate } from '../model/cache.ts'
import type { Model } from '../model/load-model.ts'

export interface PassCost {
  readonly rows: number
  /** Milliseconds of one pass, embedding to select and read. */
  readonly ms: Spread
  /** `T(rows) / T(1)`, by medians. */
  readonly ratio: number
  /** Operations of the backend's library in one pass, and microseconds for each, where it counts them. */
  readonly operations?: { readonly count: number; readonly microseconds: number }
}

/** Measures passes of these numbers of rows after `context` cached tokens, interleaved. The first has to be 1. */
export async function passCosts(
  model: Model,
  { rows: sizes, context, repeats, turn }: { rows: readonly number[]; context: number; repeats: number; turn: Turn },
): Promise<PassCost[]> {
  const sequence = model.createSequence()
  const token = (position: number): number => (position * 37 + 11) % model.config.vocabSize
  const ids = (start: number, count: number): Int32Array =>
    Int32Array.from({ length: count }, (_, i) => token(start + i))

  const { backend } = model
  const operations = new Map<number, number>()

  async function pass(count: number): Promise<number> {
    const before = backend.operations?.()
    const started = performance.now()
    const arena = backend.arena()
    try {
      const rows = model.rows([{ sequence, count }], arena)
      const hidden = model.run(model.embed(ids(sequence.length, count), rows), rows)
      await backend.read([model.select(model.head(hidden, rows), rows).ids])
    } finally {
      arena.release()
    }
    const ms = performance.now() - started
    if (before !== undefined) operations.set(count, backend.operations!() - before)
    return ms
  }

  try {
    const step = backend.capabilities.passRows
    for (let start = 0; start < context; start += step) {
      await turn()
      const count = Math.min(step, context - start)
      await pass(count)
      advance(sequence, count)
    }
    truncate(sequence, context)
    const sides = sizes.map((count) => ({ name: `${count}`, run: () => pass(count) }))
    const figures = await interleave(sides, { rounds: repeats, warmup: 3, turn })
    const spreads = sizes.map((count) => spread(figures.get(`${count}`)!))
    return sizes.map((rows, i) => {
      const ms = spreads[i]!
      const count = operations.get(rows)
      return {
        rows,
        ms,
        ratio: ms.median / spreads[0]!.median,
        ...(count && { operations: { count, microseconds: (ms.median * 1000) / count } }),
      }
    })
  } finally {
    sequence.dispose()
  }
}
