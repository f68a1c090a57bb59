// The threads for a heap: as many as were asked for, or as the machine has; one, in the calling thread, where there can be
// no others.

import { platform } from '#workers'
import type { OpenOptions } from '../backend.ts'
import { ArgumentError } from '../errors.ts'
import { type Crew, createCrew, createSoloist } from './crew.ts'
import type { Heap } from './heap.ts'
import { compile } from './products.ts'

/** By default; more would wait for each other longer than they save, unless the model is large. */
const mostThreads = 8

/** Far below `noShare` in control.ts. */
const roomForThreads = 1024

/** Throws {@link ArgumentError} for more threads than a list has room for. */
export async function createThreads(heap: Heap, { threads: asked, workerUrl }: OpenOptions): Promise<Crew> {
  if (asked !== undefined && asked > roomForThreads) {
    throw new ArgumentError(`threads is ${asked}, and the wasm backend runs ${roomForThreads} at most`)
  }
  const modules = await compile()
  if (platform.withoutThreads() !== undefined) return createSoloist(modules, heap)
  return createCrew(modules, heap, { platform, threads: asked ?? Math.min(platform.cores(), mostThreads), workerUrl })
}
