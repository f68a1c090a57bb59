// Memory of the backend: one WebAssembly memory that all threads share, and where in it there is room.

import { OutOfMemoryError } from '../errors.ts'
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

interface Gap {
  start: number
  end: number
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
  /** Free memory by address, no two gaps side by side. */
  const gaps: Gap[] = [{ start: reserved, end: page }]
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
    release({ start: now * page, end: (now + pages) * page })
  }

  /** Gives a range back, joined with the gaps beside it. */
  function release(range: Gap): void {
    let after = gaps.findIndex(({ start }) => start >= range.end)
    if (after < 0) after = gaps.length
    const before = gaps[after - 1]
    const next = gaps[after]
    const start = before?.end === range.start ? before.start : range.start
    const end = next?.start === range.end ? next.end : range.end
    const first = start === range.start ? after : after - 1
    gaps.splice(first, (end === range.end ? after : after + 1) - first, { start, end })
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
      let at = gaps.findIndex(({ start, end }) => end - start >= size)
      if (at < 0) {
        const last = gaps.at(-1)
        const behind = last && last.end === memory.buffer.byteLength ? last.end - last.start : 0
        grow(size - behind, bytes)
        at = gaps.length - 1
      }
      const gap = gaps[at]!
      const address = gap.start
      gap.start += size
      if (gap.start === gap.end) gaps.splice(at, 1)
      sizes.set(address, size)
      counts.allocations++
      return address
    },
    free(address: number): void {
      const size = sizes.get(address)
      if (size === undefined) return
      sizes.delete(address)
      counts.frees++
      release({ start: address, end: address + size })
    },
    expectRoom(blocks, what) {
      const wanted = blocks.reduce((sum, bytes) => sum + blockSize(bytes), 0)
      const inside = gaps.reduce((sum, { start, end }) => sum + end - start, 0)
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
