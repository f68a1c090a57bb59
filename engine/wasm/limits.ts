// What this machine can do at most, measured by the engine's own threads with its own instructions: what its kernels are
// to be compared with.

import { createCommands } from './commands.ts'
import { createHeap } from './heap.ts'
import { compile } from './products.ts'
import { createRunner } from './runner.ts'
import { createThreads } from './threads.ts'

export interface Limits {
  readonly threads: number
  /** Gigabytes a second, of memory that no cache holds. */
  readonly streamed: number
  /** Gigabytes a second, of memory that each thread's own cache holds. */
  readonly cached: number
  /** Thousand millions of products a second, each added to a sum: of f32, and of whole numbers of 16 bits. */
  readonly f32: number
  readonly i16: number
}

/** Bytes that no cache holds, and bytes that the cache next to a thread does. */
const [streamedBytes, cachedBytes] = [1 << 28, 1 << 17]
/** Products in a repeat of `multiply` in `kernels/limits.ts`. */
const [floatsPerRepeat, pairsPerRepeat] = [12 * 4, 12 * 8]

/**
 * Takes some 300 ms for each number of threads, and 256 MiB of memory. Figures are the best of five: other work on the
 * machine can only lower them. Throws {@link OutOfMemoryError}.
 */
export async function measureLimits(asked?: number): Promise<Limits> {
  const heap = createHeap({ allocations: 0, frees: 0 })
  const crew = createThreads(await compile(), heap, { threads: asked })
  const { threads } = crew
  try {
    const commands = createCommands()
    const runner = createRunner(heap, crew)
    const out = heap.allocate(threads * 4)
    const from = heap.allocate(streamedBytes)
    heap.bytes(from, streamedBytes).fill(1)

    /** Milliseconds of a list of one command, at best. */
    async function time(op: 'readAll' | 'multiply', fields: readonly number[]): Promise<number> {
      let best = Number.POSITIVE_INFINITY
      for (let run = 0; run < 5; run++) {
        commands.add(op, { reads: [], writes: [] }, fields)
        const started = performance.now()
        await runner.run({ commands, scratchBytes: 0, products: Number.POSITIVE_INFINITY, take: commands.take })
        best = Math.min(best, performance.now() - started)
      }
      return best
    }

    const multiplications = 1_000_000
    const cachedRepeats = 256
    const streamed = await time('readAll', [out, from, streamedBytes, 1])
    const cached = await time('readAll', [out, from, cachedBytes * threads, cachedRepeats])
    const floats = await time('multiply', [out, 0, multiplications])
    const pairs = await time('multiply', [out, 1, multiplications])
    return {
      threads,
      streamed: streamedBytes / streamed / 1e6,
      cached: (cachedBytes * threads * cachedRepeats) / cached / 1e6,
      f32: (multiplications * floatsPerRepeat * threads) / floats / 1e6,
      i16: (multiplications * pairsPerRepeat * threads) / pairs / 1e6,
    }
  } finally {
    await crew.end()
  }
}
