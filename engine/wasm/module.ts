// The wasm backend as a module: opens it with what this machine and this process have.

import { platform } from '#workers'
import type { Backend, BackendModule, OpenOptions } from '../backend.ts'
import { freeMemory } from '../free-memory.ts'
import { createBackend } from './backend.ts'
import { createHeap } from './heap.ts'
import type { Modules } from './platform.ts'
import { chooseModules } from './products.ts'
import type { WasmTensor } from './tensor.ts'
import { createThreads } from './threads.ts'

/** The module, with counts of what its backends have done: tests hold them to it. */
export interface WasmModule extends BackendModule<WasmTensor> {
  counts(): Counts
}

/** Lists of commands handed over to the threads, barriers in them; blocks of memory taken, and given back. */
export interface Counts {
  readonly lists: number
  readonly barriers: number
  readonly allocations: number
  readonly frees: number
}

/** `choose` is asked for the kernels when it is opened. */
export function createModule(choose: () => Promise<Modules> = chooseModules): WasmModule {
  const counts = { lists: 0, barriers: 0, allocations: 0, frees: 0 }

  async function open(options: OpenOptions): Promise<Backend<WasmTensor>> {
    // Before there are threads that would be at work beside it.
    const modules = await choose()
    const heap = createHeap(counts, freeMemory)
    const crew = createThreads(modules, heap, options)
    const { threads } = crew
    const solo = platform.withoutThreads()
    const simd = modules.relaxed ? 'relaxed SIMD' : 'SIMD'
    const device = `WebAssembly ${simd}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
    return createBackend({
      heap,
      crew,
      capabilities: {
        rowInvariant: true,
        dtypes: ['q4_0', 'q4_1', 'q8_0', 'bf16', 'f32'],
        threads,
        passRows: 32,
        device: solo === undefined ? device : `${device}, for ${solo}`,
        kind: 'software',
        freeReads: true,
      },
      onList({ barriers }) {
        counts.lists++
        counts.barriers += barriers
      },
    })
  }

  return {
    name: 'wasm',
    counts: () => ({ ...counts }),
    async unavailable() {
      return typeof WebAssembly === 'object' ? undefined : 'there is no WebAssembly here'
    },
    open,
  }
}
