// Buffers that results are copied to, for the host to read: kept, so that one read after the other makes none.

import { BackendCrashedError } from '../errors.ts'
import type { Gpu } from './device.ts'
import { forReading, usage } from './flags.ts'

export interface Staging {
  readonly buffer: GPUBuffer
  /** Waits for its first bytes, and gives a copy of them. Then it may be taken again. */
  read(bytes: number): Promise<ArrayBuffer>
}

const leastBytes = 4096

export function createStaging(gpu: Gpu): { take(bytes: number): Staging } {
  const idle: GPUBuffer[] = []

  function bufferOf(bytes: number): GPUBuffer {
    const known = idle.pop()
    if (known && known.size >= bytes) return known
    if (known) gpu.release(known)
    return gpu.allocate(Math.max(leastBytes, 2 ** Math.ceil(Math.log2(bytes))), usage.mapRead | usage.copyTarget)
  }

  return {
    take(bytes) {
      const buffer = bufferOf(bytes)
      return {
        buffer,
        async read(count) {
          try {
            await buffer.mapAsync(forReading, 0, count)
          } catch (cause) {
            // It ends so where the device does, which is told by itself.
            if (cause instanceof Error && cause.name === 'AbortError') await gpu.untilLost(new Promise(() => {}))
            await gpu.settled()
            try {
              gpu.expectWell()
            } finally {
              gpu.release(buffer)
            }
            throw new BackendCrashedError(`WebGPU gave no results: ${cause}`, { cause })
          }
          const copy = buffer.getMappedRange(0, count).slice(0)
          buffer.unmap()
          idle.push(buffer)
          return copy
        },
      }
    },
  }
}
