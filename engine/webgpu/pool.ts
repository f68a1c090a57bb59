// The pool: one buffer for all that kernels write, activations, caches and small tensors alike, since a kernel may bind a
// buffer only once where it writes to it. It is a map of free words first; the buffer grows to what was taken when it is used.

import { OutOfMemoryError } from '../errors.ts'
import { createGaps, type Gap } from '../gaps.ts'
import type { Gpu } from './device.ts'
import { usage } from './flags.ts'

const bytesPerWord = 4
/** In words: vectors of four are aligned, and small tensors do not splinter what is free. */
const alignment = 16
const firstWords = 1 << 20

export interface Pool {
  /** The first of so many free words. Throws {@link OutOfMemoryError}. */
  take(words: number): number
  /** Gives back what `take` gave, once all that was recorded so far is submitted. */
  retire(at: number): void
  /** Words that wait for that. */
  readonly retired: number
  /** To be called after a submission. */
  submitted(): void
  /** The buffer, with room for all that was taken. */
  buffer(): GPUBuffer
}

export function createPool(gpu: Gpu): Pool {
  const { device, name } = gpu
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits
  const most = Math.floor(Math.min(maxBufferSize, maxStorageBufferBindingSize) / bytesPerWord)
  const gaps = createGaps([{ start: 0, end: Number.MAX_SAFE_INTEGER }])
  const sizes = new Map<number, number>()
  let waiting: Gap[] = []
  let retired = 0
  let needed = firstWords
  let words = 0
  let buffer: GPUBuffer | undefined

  return {
    take(wanted) {
      const size = Math.max(1, Math.ceil(wanted / alignment)) * alignment
      const at = gaps.take(size)!
      if (at + size > most) {
        gaps.release({ start: at, end: at + size })
        throw new OutOfMemoryError(
          `webgpu on ${name} binds ${most * bytesPerWord} bytes at once; no room among them for ${wanted * bytesPerWord} more of caches and activations`,
        )
      }
      sizes.set(at, size)
      needed = Math.max(needed, at + size)
      return at
    },
    retire(at) {
      const size = sizes.get(at)
      if (size === undefined) return
      sizes.delete(at)
      waiting.push({ start: at, end: at + size })
      retired += size
    },
    get retired() {
      return retired
    },
    submitted() {
      for (const gap of waiting) gaps.release(gap)
      waiting = []
      retired = 0
    },
    buffer() {
      if (buffer && words >= needed) return buffer
      const size = Math.min(most, Math.max(needed, 2 * words))
      const larger = gpu.allocate(size * bytesPerWord, usage.storage | usage.copySource | usage.copyTarget)
      if (buffer) {
        const encoder = device.createCommandEncoder()
        encoder.copyBufferToBuffer(buffer, 0, larger, 0, words * bytesPerWord)
        device.queue.submit([encoder.finish()])
        // Not released: where there was no memory for it, what it was to hold is lost for good.
        buffer.destroy()
      }
      buffer = larger
      words = size
      return larger
    },
  }
}
