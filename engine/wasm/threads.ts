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

/** Of those asked for: each is a worker that takes time to start, and beyond the machine's number they only wait for each other. */
const mostAsked = { anywhere: 64, perCore: 4 }

/** Throws {@link ArgumentError} for more threads than the machine has a use for, or a list room. */
export function createThreads(modules: Modules, heap: Heap, { threads: asked, workerUrl }: OpenOptions): Crew {
  const cores = platform.cores()
  const most = Math.min(Math.max(mostAsked.anywhere, mostAsked.perCore * cores), roomForThreads)
  if (asked !== undefined && asked > most) {
    throw new ArgumentError(
      `threads is ${asked}, and the wasm backend runs ${most} at most here: the machine runs ${cores} at once`,
    )
  }
  if (platform.withoutThreads() !== undefined) return createSoloist(modules, heap)
  return createCrew(modules, heap, { platform, threads: asked ?? Math.min(cores, mostThreads), workerUrl })
}
