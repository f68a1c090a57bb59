// Memory of the backend: one WebAssembly memory that all threads share, and where in it there is room.

import { OutOfMemoryError } from '../errors.ts'
import { createGaps } from '../gaps.ts'
import { noShare, reserved, ticket } from './control.ts'

const page = 65536
const mostPages = 65536

/** Kernels read and write whole vectors, up to this far behind a tensor's end. */
export const spare = 64
const alignment = 64

export interface Heap {
  readonly memory: WebAssembly.Memory
  /** All of the memory, as it is now: growing makes views old. */
  words(): Int32Array
  /** `count` values from an address on. */
  bytes(address: number, count: number): Uint8Array
  floats(address: number, count: number): Float32Array
  integers(address: number, count: number): Int32Array
  /** The address of free memory. Throws {@link OutOfMemoryError}. */
  allocate(bytes: number): number
  free(address: number): void
  /** Throws {@link OutOfMemoryError} where there is not room for `what`: blocks of so many bytes, all of them. */
  expectRoom(blocks: readonly number[], what: string): void
  /** Frees everything, and gives the memory back: nothing is to be allocated afterwards. */
  clear(): void
}

/** Bytes that a block takes with what lies behind it. */
function blockSize(bytes: number): number {
  return Math.ceil((bytes + spare) / alignment) * alignment
}

/** What heaps have done: memory that was given, and given back. */
export interface HeapCounts {
  allocations: number
  frees: number
}

/** `freeMemory` tells how much the system has left, where it does. */
export function createHeap(counts: HeapCounts, freeMemory: () => number | undefined = () => undefined): Heap {
  let memory = new WebAssembly.Memory({ initial: 1, maximum: mostPages, shared: true })
  const sizes = new Map<number, number>()
  const gaps = createGaps([{ start: reserved, end: page }])
  let view = new Int32Array(memory.buffer)
  view[ticket] = noShare // no list is open

  function grow(bytes: number, wanted: number): void {
    const pages = Math.ceil(bytes / page)
    const now = memory.buffer.byteLength / page
    const fail = (cause?: unknown): never => {
      throw new OutOfMemoryError(
        `no memory for ${wanted} bytes: WebAssembly holds 4 GiB at most, ${now * page} bytes are taken from the system`,
        { cause },
      )
    }
    if (now + pages > mostPages) fail()
    try {
      memory.grow(pages)
    } catch (cause) {
      fail(cause)
    }
    view = new Int32Array(memory.buffer)
    gaps.release({ start: now * page, end: (now + pages) * page })
  }

  return {
    get memory() {
      return memory
    },
    words: () => view,
    bytes: (address: number, count: number) => new Uint8Array(memory.buffer, address, count),
    floats: (address: number, count: number) => new Float32Array(memory.buffer, address, count),
    integers: (address: number, count: number) => new Int32Array(memory.buffer, address, count),
    allocate(bytes: number): number {
      const size = blockSize(bytes)
      let address = gaps.take(size)
      if (address === undefined) {
        const last = gaps.list.at(-1)
        const behind = last && last.end === memory.buffer.byteLength ? last.end - last.start : 0
        grow(size - behind, bytes)
        address = gaps.take(size)!
      }
      sizes.set(address, size)
      counts.allocations++
      return address
    },
    free(address: number): void {
      const size = sizes.get(address)
      if (size === undefined) return
      sizes.delete(address)
      counts.frees++
      gaps.release({ start: address, end: address + size })
    },
    expectRoom(blocks, what) {
      const wanted = blocks.reduce((sum, bytes) => sum + blockSize(bytes), 0)
      const inside = gaps.list.reduce((sum, { start, end }) => sum + end - start, 0)
      const rest = mostPages * page - memory.buffer.byteLength
      const outside = Math.min(rest, freeMemory() ?? rest)
      if (wanted <= inside + outside) return
      const why = outside < rest ? 'the system has no more' : 'WebAssembly holds 4 GiB at most'
      throw new OutOfMemoryError(`${what} takes ${wanted} bytes, and there is room for ${inside + outside}: ${why}`)
    },
    clear() {
      counts.frees += sizes.size
      sizes.clear()
      // Whoever still holds the backend holds no more than this.
      memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
      view = new Int32Array(memory.buffer)
    },
  }
}
