// The compiled kernels, and the choice of those for q8_0 weights: relaxed SIMD multiplies bytes in one instruction where the
// processor can, and in several where it cannot, so both are measured. They give the same bits, which is seen to as well.
//
// Node 20 knows relaxed SIMD by the flag --experimental-wasm-relaxed-simd only, which is not set here: it would be set for
// all code of the process. And the first compiler of its V8 gets these products wrong.

import { binary, relaxedBinary } from './binary.ts'
import { createCommands } from './commands.ts'
import { createSoloist } from './crew.ts'
import { createHeap } from './heap.ts'
import { pack, packedSize, typeNumbers } from './pack.ts'
import type { Modules } from './platform.ts'
import { createRunner } from './runner.ts'

let compiled: Promise<Modules> | undefined
let chosen: Promise<Modules> | undefined

/** All that is known here, compiled once in a process. */
export function compile(): Promise<Modules> {
  compiled ??= compileAll()
  return compiled
}

async function compileAll(): Promise<Modules> {
  const [kernels, relaxed] = [decode(binary), decode(relaxedBinary)]
  return {
    kernels: await WebAssembly.compile(kernels),
    relaxed: WebAssembly.validate(relaxed) ? await WebAssembly.compile(relaxed) : undefined,
  }
}

function decode(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
}

/** Those without relaxed SIMD. */
export async function compileWords(): Promise<Modules> {
  return { ...(await compile()), relaxed: undefined }
}

/** Chooses once in a process: what is faster here, in some milliseconds. */
export function chooseModules(): Promise<Modules> {
  chosen ??= choose()
  return chosen
}

async function choose(): Promise<Modules> {
  const [all, words] = [await compile(), await compileWords()]
  return all.relaxed && (await isFaster(all, words)) ? all : words
}

/** Products that the nearest cache has room for, of several rows and of one in turn, as drafting for oneself has them. */
const [outSize, inSize, rows] = [32, 512, [4, 1]]
/**
 * Lists of each kind, with pauses in which engines put optimised code in the place of their first: that takes them some
 * milliseconds in the background, and for one kernel longer than for the other. The second half of the lists counts.
 */
const [lists, perList, pause] = [12, 128, 4]

/** Whether relaxed SIMD is faster, and gives the same bits. */
async function isFaster(withRelaxed: Modules, without: Modules): Promise<boolean> {
  const heap = createHeap({ allocations: 0, frees: 0 })
  const commands = createCommands()
  const mostRows = Math.max(...rows)
  const x = heap.allocate(mostRows * inSize * 4)
  heap.floats(x, mostRows * inSize).forEach((_, i, values) => {
    values[i] = Math.sin(i)
  })
  // Each block has a scale of 1 to 2 before its 32 weights.
  const weights = Uint8Array.from({ length: outSize * (inSize / 32) * 34 }, (_, i) => (i % 34 === 1 ? 0x3c : i * 89))
  const bytes = packedSize('q8_0', [outSize, inSize])
  const weight = heap.allocate(bytes)
  pack(heap.bytes(weight, bytes), weights, 'q8_0', inSize)

  function contender(modules: Modules) {
    const runner = createRunner(heap, createSoloist(modules, heap))
    const out = heap.allocate(mostRows * outSize * 4)
    return {
      /** Milliseconds of a list of so many products. */
      async time(count: number): Promise<number> {
        for (let i = 0; i < count; i++) {
          const fields = [out, x, weight, typeNumbers.q8_0!, 0, 0, rows[i % rows.length]!, inSize, outSize]
          commands.add('linear', { reads: [], writes: [] }, fields)
        }
        const started = performance.now()
        await runner.run({ commands, scratchBytes: mostRows * inSize * 4, products: 0, take: commands.take })
        return performance.now() - started
      },
      bits: () => heap.integers(out, mostRows * outSize),
    }
  }

  const [words, relaxed] = [contender(without), contender(withRelaxed)]
  const best = { words: Number.POSITIVE_INFINITY, relaxed: Number.POSITIVE_INFINITY }
  const isSame = (): boolean => {
    const bits = words.bits()
    return relaxed.bits().every((value, i) => value === bits[i])
  }

  // One of each number of rows, by a compiler's first code, which may have faults that the optimised one has not.
  await words.time(rows.length)
  await relaxed.time(rows.length)
  if (!isSame()) return false
  for (let list = 0; list < lists; list++) {
    const took = { words: await words.time(perList), relaxed: await relaxed.time(perList) }
    if (list < lists / 2) await new Promise((resolve) => setTimeout(resolve, pause))
    else for (const kind of ['words', 'relaxed'] as const) best[kind] = Math.min(best[kind], took[kind])
  }
  return best.relaxed < best.words && isSame()
}
