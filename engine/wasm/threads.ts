// The threads for a heap: as many as were asked for, or as the machine has; one, in the calling thread, where there can be
// no others.

import { platform } from '#workers'
import type { OpenOptions } from '../backend.ts'
import { ArgumentError } from '../errors.ts'
import { type Crew, createCrew, createSoloist } from './crew.ts'
import type { Heap } from './heap.ts'
import type { Modules } from './platform.ts'

/** By default; more would wait for each other longer than they save, unless the model is large. */
const mostThreads = 8

/** Far below `noShare` in control.ts. */
const roomForThreads = 1024

/** Throws {@link ArgumentError} for more threads than a list has room for. */
export function createThreads(modules: Modules, heap: Heap, { threads: asked, workerUrl }: OpenOptions): Crew {
  if (asked !== undefined && asked > roomForThreads) {
    throw new ArgumentError(`threads is ${asked}, and the wasm backend runs ${roomForThreads} at most`)
  }
  if (platform.withoutThreads() !== undefined) return createSoloist(modules, heap)
  return createCrew(modules, heap, { platform, threads: asked ?? Math.min(platform.cores(), mostThreads), workerUrl })
}
