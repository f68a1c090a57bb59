// The webgpu backend: WGSL kernels of its own, through the browser's WebGPU or, in Node, the npm package `webgpu`.

import { platform } from '#webgpu'
import type { Backend, BackendModule, OpenOptions } from '../backend.ts'
import { freeMemory } from '../free-memory.ts'
import { createBackend } from './backend.ts'
import { openGpu } from './device.ts'
import { hardwareLayout, softwareLayout } from './kernels/linear.ts'
import { findTiles } from './probe.ts'
import { weightTypes } from './weights.ts'

export interface WebgpuOptions {
  /** Bytes that a binding may have; default: what the device allows. For tests, which have no weights so large. */
  readonly mostBytes?: number | undefined
  /** The products that suit a graphics card, also where software computes. */
  readonly hardware?: true | undefined
}

/** The backend with other limits than those of the device. */
export function webgpuWith(options: WebgpuOptions): BackendModule {
  return { name: 'webgpu', unavailable: () => platform.unavailable(), open: (given) => open({ ...given, ...options }) }
}

export const webgpu: BackendModule = webgpuWith({})

async function open({ threads, mostBytes, hardware }: OpenOptions & WebgpuOptions): Promise<Backend> {
  const gpu = await openGpu(await platform.gpu())
  const { kind, name, device } = gpu
  const limit = Math.min(device.limits.maxBufferSize, device.limits.maxStorageBufferBindingSize)
  let tiles: readonly number[] = []
  const words = kind === 'software' ? `${name}, computing in software` : name
  const backend = createBackend({
    gpu,
    mostBytes: Math.min(mostBytes ?? limit, limit),
    room: () => (kind === 'software' ? freeMemory() : undefined),
    layout: kind === 'hardware' || hardware ? hardwareLayout : softwareLayout,
    tiles: () => tiles,
    capabilities: {
      rowInvariant: false,
      dtypes: weightTypes,
      threads: 1,
      passRows: 64,
      device:
        threads === undefined || threads === 1
          ? words
          : `${words}, 1 thread (not ${threads}: they are the device's own)`,
      kind,
    },
  })
  try {
    const found = await findTiles(backend, `${name} ${hardware}`, (next) => {
      tiles = next
    })
    return { ...backend, capabilities: { ...backend.capabilities, ...found } }
  } catch (error) {
    await backend.dispose()
    throw error
  }
}
