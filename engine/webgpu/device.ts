// A device of WebGPU with all that its adapter allows, and what goes wrong on it: each mistake is kept until a read is told.

import {
  BackendCrashedError,
  BackendUnavailableError,
  DeviceLostError,
  type DrafthorseError,
  OutOfMemoryError,
} from '../errors.ts'
import { isSoftwareName } from '../software-adapter.ts'

export interface Gpu {
  readonly device: GPUDevice
  /** What it is, in words. */
  readonly name: string
  readonly kind: 'software' | 'hardware'
  /** Throws what has gone wrong, the loss of the device before all else. */
  expectWell(): void
  /** Rejects when the device is lost, and never resolves. */
  readonly lost: Promise<never>
  /** Takes memory: where there is none, the next `expectWell` after `settled` throws. */
  allocate(size: number, usage: number): GPUBuffer
  /** Resolves once it is known how all allocations went. */
  settled(): Promise<unknown>
  /** Keeps the first thing that went wrong. */
  fail(error: DrafthorseError): void
  close(): void
}

/** Limits that are taken as high as the adapter has them. */
const highest = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
] as const satisfies readonly (keyof GPUSupportedLimits)[]

/** Limits that are taken as low as the adapter has them. */
const lowest = ['minUniformBufferOffsetAlignment', 'minStorageBufferOffsetAlignment'] as const

/** Throws {@link BackendUnavailableError} where there is no adapter. */
export async function openGpu(gpu: GPU): Promise<Gpu> {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (!adapter) throw new BackendUnavailableError('WebGPU found no adapter')
  const requiredLimits: Record<string, number> = {}
  for (const limit of [...highest, ...lowest]) requiredLimits[limit] = adapter.limits[limit]
  const device = await adapter.requestDevice({ requiredLimits })
  const name = nameOf(adapter.info)
  let wrong: DrafthorseError | undefined
  let closed = false
  let gone: DeviceLostError | undefined
  const allocations = new Set<Promise<unknown>>()

  function fail(error: DrafthorseError): void {
    wrong ??= error
  }

  const lost = device.lost.then(({ reason, message }): never => {
    gone = new DeviceLostError(
      `the device of webgpu (${name}) was lost (${reason}${message && `: ${message}`}), and all that was on it: open another backend`,
    )
    throw gone
  })
  lost.catch(() => {}) // whoever reads is told
  device.addEventListener('uncapturederror', (event) => {
    event.preventDefault()
    if (!closed) fail(crashOf(event.error))
  })

  return {
    device,
    name,
    kind: isSoftware(adapter.info) ? 'software' : 'hardware',
    lost,
    fail,
    expectWell() {
      if (gone) throw gone
      if (wrong) throw wrong
    },
    allocate(size, usage) {
      device.pushErrorScope('out-of-memory')
      const buffer = device.createBuffer({ size, usage })
      const known = device.popErrorScope().then(
        (error) => {
          if (error) fail(new OutOfMemoryError(`webgpu on ${name} has no ${size} bytes left: ${error.message}`))
        },
        () => {}, // the device is lost, which is told by itself
      )
      allocations.add(known)
      void known.then(() => allocations.delete(known))
      return buffer
    },
    settled: () => (allocations.size === 0 ? Promise.resolve() : Promise.all(allocations)),
    close() {
      closed = true
      device.destroy()
    },
  }
}

/** What WebGPU says against a call: a mistake of this backend, or of the driver. */
export function crashOf({ message }: GPUError): BackendCrashedError {
  return new BackendCrashedError(`WebGPU refused what this backend asked for: ${message}`)
}

function nameOf({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  return (
    [vendor, architecture, description || device].filter((word) => word !== '').join(' ') || 'an adapter without a name'
  )
}

function isSoftware(info: GPUAdapterInfo): boolean {
  const { isFallbackAdapter } = info as { isFallbackAdapter?: boolean } // missing in older browsers
  return isFallbackAdapter === true || isSoftwareName(`${nameOf(info)} ${info.device}`)
}
