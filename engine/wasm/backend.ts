// The contract on one shared memory: handles, caches and arenas in it, lists of commands for the threads.

import type { Arena, Backend, Capabilities, HostArray, KVCache, WeightSpec } from '../backend.ts'
import { createBump } from '../bump.ts'
import { inParent } from '../cache-runs.ts'
import { byteSize, type DType, elementCount } from '../dtype.ts'
import { createCommands } from './commands.ts'
import type { Crew } from './crew.ts'
import { type Heap, spare } from './heap.ts'
import { chunkBytes, type WasmCache } from './kv-cache.ts'
import { createRecorder } from './ops.ts'
import { pack, packedSize } from './pack.ts'
import { createRunner } from './runner.ts'
import { newTensor, type WasmTensor, width } from './tensor.ts'

/** Bytes of an arena's first block. */
const firstBlock = 1 << 18

export interface BackendParts {
  readonly heap: Heap
  readonly crew: Crew
  readonly capabilities: Capabilities
  /** Called for each list that is handed over. */
  readonly onList: (commands: { readonly barriers: number }) => void
}

export function createBackend({ heap, crew, capabilities, onList }: BackendParts): Backend<WasmTensor> {
  const tensors = new Set<WasmTensor>()
  const caches = new Set<WasmCache>()
  const arenas = new Set<{ bytes: number }>()
  const recorder = createRecorder(heap, createCommands())
  const { commands } = recorder
  const runner = createRunner(heap, crew, onList)
  /** Memory to be freed when what was recorded with it has run. */
  let retired: number[] = []
  let retiredInRun: number[] = []
  /** Reads that have not settled, and when they all have. */
  let reading = 0
  let last: Promise<unknown> = Promise.resolve()

  function retire(...addresses: readonly number[]): void {
    retired.push(...addresses)
    if (reading === 0 && commands.empty) freeAll(retired)
  }

  function freeAll(addresses: number[]): void {
    for (const address of addresses.splice(0)) heap.free(address)
  }

  /** Hands over what was recorded, and waits for it. */
  async function run(): Promise<void> {
    crew.expectAlive()
    if (commands.empty) return
    const running = runner.run(recorder)
    retiredInRun = retired
    retired = []
    await running
  }

  async function runAndRead(wanted: readonly WasmTensor[]): Promise<HostArray[]> {
    try {
      await run()
      return wanted.map(({ shape, dtype, address }) => {
        const count = elementCount(shape)
        return dtype === 'i32' ? heap.integers(address, count).slice() : heap.floats(address, count).slice()
      })
    } finally {
      reading--
      freeAll(retiredInRun)
      if (reading === 0 && commands.empty) freeAll(retired)
    }
  }

  /** One read after the other. */
  function read(wanted: readonly WasmTensor[]): Promise<HostArray[]> {
    const next = reading++ === 0 ? runAndRead(wanted) : last.then(() => runAndRead(wanted))
    last = next.catch(() => {})
    return next
  }

  async function prepare(weights: readonly WeightSpec[]): Promise<void> {
    const sizes = weights.map(({ shape, dtype }) => packedSize(dtype, shape))
    heap.expectRoom(sizes, 'a model')
  }

  function upload(data: HostArray | Uint8Array, { shape, dtype }: { shape: readonly number[]; dtype: DType }) {
    const bytes = packedSize(dtype, shape)
    const tensor = newTensor({ shape, dtype, address: heap.allocate(bytes), bytes })
    const source = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    pack(heap.bytes(tensor.address, bytes), source, dtype, width(tensor))
    tensors.add(tensor)
    return tensor
  }

  function createCache(spec: {
    layers: number
    width: number
    capacity: number
    parent?: { cache: KVCache; length: number }
  }): WasmCache {
    const own = spec as Pick<WasmCache, 'layers' | 'width' | 'capacity' | 'parent'> // a parent is a cache of this backend
    const cache: WasmCache = { ...own, chunks: [], readAt: 0, writtenAt: 0 }
    caches.add(cache)
    return cache
  }

  function arena(): Arena<WasmTensor> {
    const bump = createBump({ allocate: heap.allocate, first: firstBlock, alignment: 64, spare })
    const own = { bytes: 0 }
    arenas.add(own)
    return {
      tensor(shape, dtype = 'f32') {
        const bytes = byteSize(dtype, shape)
        const tensor = newTensor({ shape, dtype, address: bump.take(bytes), bytes })
        own.bytes += bytes
        return tensor
      },
      release() {
        if (arenas.delete(own)) retire(...bump.blocks)
      },
    }
  }

  return {
    name: 'wasm',
    capabilities,
    ops: recorder.ops,
    prepare,
    upload,
    createCache,
    arena,
    read,
    free(handle: WasmTensor | KVCache) {
      if ('address' in handle) {
        if (tensors.delete(handle)) retire(handle.address)
        return
      }
      const cache = handle as WasmCache // caches are made here only
      if (caches.delete(cache)) retire(...cache.chunks)
    },
    memory() {
      let bytes = 0
      for (const tensor of tensors) bytes += tensor.bytes
      for (const made of arenas) bytes += made.bytes
      for (const cache of caches) bytes += cache.chunks.filter((chunk) => chunk !== inParent).length * chunkBytes(cache)
      return { tensors: tensors.size, caches: caches.size, arenas: arenas.size, bytes }
    },
    async dispose() {
      await last
      await crew.end()
      heap.clear()
      tensors.clear()
      caches.clear()
      arenas.clear()
    },
  }
}
