// A device of WebGPU with all that its adapter allows, and what goes wrong on it: each mistake is kept until a read is told.

import { BackendUnavailableError, DeviceLostError, type DrafthorseError } from '../errors.ts'
import { isSoftwareName } from '../software-adapter.ts'
import { crashOf, createDeviceMemory, type DeviceMemory } from './memory.ts'

export interface Gpu extends Omit<DeviceMemory, 'expectEnough'> {
  readonly device: GPUDevice
  /** What it is, in words. */
  readonly name: string
  readonly kind: 'software' | 'hardware'
  /** Throws what has gone wrong, the loss of the device before all else. */
  expectWell(): void
  /** Settles as `work` does, but rejects when the device is lost before that. */
  untilLost<T>(work: Promise<T>): Promise<T>
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
  /** How to reject all that waits. A race with the loss would stay with the device for as long as that lives. */
  const waiting = new Set<(error: DeviceLostError) => void>()

  function fail(error: DrafthorseError): void {
    wrong ??= error
  }

  const memory = createDeviceMemory({ device, name, fail })

  void device.lost.then(({ reason, message }) => {
    gone = new DeviceLostError(
      `the device of webgpu (${name}) was lost (${reason}${message && `: ${message}`}), and all that was on it: open another backend`,
    )
    for (const reject of waiting) reject(gone)
  })
  device.addEventListener('uncapturederror', (event) => {
    event.preventDefault()
    if (!closed) memory.refused(crashOf(event.error), 'a call')
  })

  return {
    device,
    name,
    kind: isSoftware(adapter.info) ? 'software' : 'hardware',
    ...memory,
    fail,
    expectWell() {
      if (gone) throw gone
      if (wrong) throw wrong
      memory.expectEnough()
    },
    untilLost(work) {
      return new Promise((resolve, reject) => {
        if (gone) reject(gone)
        waiting.add(reject)
        void work.then(resolve, reject).finally(() => waiting.delete(reject))
      })
    },
    close() {
      closed = true
      device.destroy()
    },
  }
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
