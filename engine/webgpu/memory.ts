// Buffers of the device, for which there may be no memory: WebGPU tells of that later, and refuses what is done with them until
// then. Such a buffer is held against this backend until it is released.

import { BackendCrashedError, type DrafthorseError, OutOfMemoryError } from '../errors.ts'

export interface DeviceMemory {
  /** Takes memory: where there is none, `expectEnough` throws once that is known. */
  allocate(size: number, usage: number): GPUBuffer
  /** Destroys a buffer. Where there was no memory for it, only submissions that it was used in are told of from now on. */
  release(buffer: GPUBuffer): void
  /** Whether there is known to be no memory for it. */
  lacks(buffer: GPUBuffer): boolean
  /** Resolves once it is known how everything went so far. */
  settled(): Promise<void>
  /** Throws {@link OutOfMemoryError} while a buffer lacks memory, and once where a submission came to nothing by that. */
  expectEnough(): void
  /**
   * Does what buffers are used for, and hears of it if WebGPU refuses. Told in the order of the calls, which an error that no
   * scope has caught need not be.
   */
  watch<T>(what: 'a call' | 'a submission', use: () => T): T
  /** To be told of what WebGPU refused: it fails with the error, unless that comes of a lack of memory. */
  refused(error: DrafthorseError, what: 'a call' | 'a submission'): void
}

export interface DeviceMemoryParts {
  readonly device: GPUDevice
  readonly name: string
  fail(error: DrafthorseError): void
}

/** A buffer that is not known to be there, and why it is not where that is known. */
interface Doubt {
  error?: OutOfMemoryError
  released?: true
}

export function createDeviceMemory({ device, name, fail }: DeviceMemoryParts): DeviceMemory {
  const doubts = new Map<GPUBuffer, Doubt>()
  const asked = new Set<Promise<unknown>>()
  const refusals = new Set<Promise<unknown>>()
  const leaving = new Set<Promise<unknown>>()
  /** What has cost a submission, and nobody was told of. */
  let untold: OutOfMemoryError | undefined

  function keep(among: Set<Promise<unknown>>, promise: Promise<unknown>): void {
    const kept = promise.finally(() => among.delete(kept))
    among.add(kept)
  }

  function judge(error: DrafthorseError, what: 'a call' | 'a submission'): void {
    const short = [...doubts.values()].find((doubt) => doubt.error)
    if (!short) fail(error)
    else if (what === 'a submission') untold ??= short.error
  }

  function refused(error: DrafthorseError, what: 'a call' | 'a submission'): void {
    if (asked.size === 0) judge(error, what)
    else
      keep(
        refusals,
        Promise.all(asked).then(() => judge(error, what)),
      )
  }

  return {
    refused,
    watch(what, use) {
      device.pushErrorScope('validation')
      try {
        return use()
      } finally {
        const answered = device.popErrorScope().then(
          (error) => error && refused(crashOf(error), what),
          () => {}, // the device is lost, which is told by itself
        )
        keep(refusals, answered)
      }
    },
    allocate(size, usage) {
      device.pushErrorScope('out-of-memory')
      const buffer = device.createBuffer({ size, usage })
      const doubt: Doubt = {}
      doubts.set(buffer, doubt)
      const known = device.popErrorScope().then(
        (error) => {
          if (error) doubt.error = new OutOfMemoryError(`webgpu on ${name} has no ${size} bytes left: ${error.message}`)
          else doubts.delete(buffer)
        },
        () => {}, // the device is lost, which is told by itself
      )
      keep(asked, known)
      return buffer
    },
    release(buffer) {
      buffer.destroy()
      const doubt = doubts.get(buffer)
      if (!doubt) return
      doubt.released = true
      device.pushErrorScope('validation')
      // WebGPU answers in the order in which it was asked.
      const answered = device.popErrorScope().catch(() => {})
      keep(
        leaving,
        answered.then(() => Promise.all(refusals)).then(() => doubts.delete(buffer)),
      )
    },
    lacks: (buffer) => doubts.get(buffer)?.error !== undefined,
    async settled() {
      const all = [asked, refusals, leaving]
      while (all.some(({ size }) => size > 0)) await Promise.all(all.flatMap((some) => [...some]))
    },
    expectEnough() {
      const error = [...doubts.values()].find((doubt) => doubt.error && !doubt.released)?.error ?? untold
      untold = undefined
      if (error) throw error
    },
  }
}

/** What WebGPU says against a call: a mistake of this backend, or of the driver. */
export function crashOf({ message }: GPUError): BackendCrashedError {
  return new BackendCrashedError(`WebGPU refused what this backend asked for: ${message}`)
}
