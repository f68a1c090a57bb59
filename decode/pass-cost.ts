// What a pass costs by its number of rows, T(m), and by the sublayers that it leaves out: the two figures on which the
// gain of drafting for oneself rests.

import type { Tensor } from '../engine/backend.ts'
import type { Turn } from '../engine/turn.ts'
import { advance, createSequence } from '../model/cache.ts'
import type { Llama, Rows } from '../model/llama.ts'
import { noSkip, planSkip, type SkipSet } from '../model/skip.ts'
import { interleave, type Spread, spread } from './timing.ts'

/** A kind of pass: over so many rows, with these sublayers left out. */
export interface PassKind {
  readonly rows: number
  readonly skip?: SkipSet
  /** Nothing but the products with every matrix, none waiting for another: what the kernel alone takes for the weights. */
  readonly only?: 'products'
}

export interface PassCost {
  readonly rows: number
  /** Sublayers left out. */
  readonly skipped: number
  readonly only?: 'products'
  /** Milliseconds of one pass, embedding to select and read. */
  readonly ms: Spread
  /** Over the cost of the first kind, by medians. */
  readonly ratio: number
  /** Operations of the backend's library in one pass, and microseconds for each, where it counts them. */
  readonly operations?: { readonly count: number; readonly microseconds: number }
  /** Bytes that one pass copies to the device, where the backend counts them: of one row, those of a token. */
  readonly uploaded?: number
}

export interface PassCostOptions {
  /** The first is what the others are compared with: one row through all sublayers. */
  readonly passes: readonly PassKind[]
  /** Cached tokens before the rows of each pass. */
  readonly context: number
  readonly repeats: number
  readonly turn: Turn
  /** Told after each pass that is timed. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Milliseconds; default the machine's clock. */
  readonly clock?: (() => number) | undefined
}

/** Measures passes of these kinds, interleaved. */
export async function passCosts(
  llama: Llama,
  { passes, context, repeats, turn, onProgress, clock = () => performance.now() }: PassCostOptions,
): Promise<PassCost[]> {
  const { backend, config } = llama
  const sequence = createSequence(backend, config)
  const token = (position: number): number => (position * 37 + 11) % config.vocabSize
  const ids = (start: number, count: number): Int32Array =>
    Int32Array.from({ length: count }, (_, i) => token(start + i))

  interface Counts {
    readonly operations: number | undefined
    readonly uploaded: number | undefined
  }
  const countsNow = (): Counts => ({ operations: backend.operations?.(), uploaded: backend.uploaded?.() })
  const difference = (from: number | undefined, to: number | undefined): number | undefined =>
    from === undefined || to === undefined ? undefined : to - from

  async function pass({ rows: count, skip = noSkip, only }: PassKind): Promise<{ ms: number } & Counts> {
    const before = countsNow()
    const started = clock()
    const arena = backend.arena()
    try {
      const rows = llama.rows([{ sequence, count }], arena)
      const x = llama.embed(ids(sequence.length, count), rows)
      if (only) await backend.read([products(llama, x, rows)])
      else await backend.read([llama.select(llama.head(llama.run(x, rows, { skip }), rows), rows).ids])
    } finally {
      arena.release()
    }
    const ms = clock() - started
    const after = countsNow()
    return {
      ms,
      operations: difference(before.operations, after.operations),
      uploaded: difference(before.uploaded, after.uploaded),
    }
  }

  try {
    const step = backend.capabilities.passRows
    for (let start = 0; start < context; start += step) {
      await turn()
      const rows = Math.min(step, context - start)
      await pass({ rows })
      advance(sequence, rows)
    }
    const counts: Counts[] = []
    const sides = passes.map((kind, i) => ({
      name: `${i}`,
      async run() {
        await pass(kind) // in a text, too, most passes follow one of their kind, whose weights are the last that were read
        const { ms, ...counted } = await pass(kind)
        counts[i] = counted
        return ms
      },
    }))
    const figures = await interleave(sides, {
      rounds: repeats,
      warmup: 3,
      turn,
      ...(onProgress && { onRun: onProgress }),
    })
    const spreads = passes.map((_, i) => spread(figures.get(`${i}`)!))
    return passes.map(({ rows, skip = noSkip, only }, i) => {
      const ms = spreads[i]!
      const { operations: count, uploaded } = counts[i] ?? {}
      return {
        rows,
        skipped: llama.sublayers - planSkip(skip, config.numHiddenLayers).run,
        ...(only && { only }),
        ms,
        ratio: ms.median / spreads[0]!.median,
        ...(count && { operations: { count, microseconds: (ms.median * 1000) / count } }),
        ...(uploaded !== undefined && { uploaded }),
      }
    })
  } finally {
    sequence.dispose()
  }
}

/** Records the product with every matrix, and gives one of them to be read. */
function products({ backend: { ops }, weights }: Llama, x: Tensor, { arena, count }: Rows): Tensor {
  const times = (input: Tensor, weight: Tensor): Tensor => {
    const out = arena.tensor([count, weight.shape[0]!])
    ops.linear(out, input, { weight })
    return out
  }
  const [first, ...others] = weights.layers
  const attended = times(x, first!.query.weight)
  const gated = times(x, first!.up.weight)
  for (const { query, up } of others) for (const { weight } of [query, up]) times(x, weight)
  for (const { key, value, gate, output, down } of weights.layers) {
    for (const { weight } of [key, value, gate]) times(x, weight)
    times(attended, output.weight)
    times(gated, down.weight)
  }
  times(x, weights.head)
  return attended
}
