// Backends on GPU.js, kernels to be read: `gpujs:cpu` (JavaScript), `gpujs:webasm` (WebAssembly), `gpujs:webgpu` and `gpujs:gl`
// (WebGL in browsers, headless-gl in Node). The package is optional, and loaded when a backend is opened.

import { platform } from '#gpujs'
import type { Backend, BackendModule, OpenOptions } from '../backend.ts'
import { BackendUnavailableError } from '../errors.ts'
import { freeMemory } from '../free-memory.ts'
import { isSoftwareName } from '../software-adapter.ts'
import { createBackend } from './backend.ts'
import { createDevice, type Residence } from './device.ts'
import type { Gpu, GpuKernel } from './gpu.ts'
import type { GpujsName } from './platform.ts'
import type { GpujsTensor } from './tensor.ts'

export type { GpujsCache } from './kv-cache.ts'
export type { GpujsName } from './platform.ts'
export type { GpujsTensor } from './tensor.ts'

const residences: Readonly<Record<GpujsName, Residence>> = {
  cpu: 'host',
  webasm: 'copied',
  webgpu: 'device',
  gl: 'device',
}

/** What the classes of kernels call their mode. */
const classModes: Readonly<Record<GpujsName, string>> = { cpu: 'cpu', webasm: 'webasm', webgpu: 'webgpu', gl: 'gpu' }

/** All that headless-gl says of its device, which may well be software. */
const untold = 'ANGLE'

/** What an adapter of WebGPU says of itself; older ones say less. */
interface AdapterInfo {
  readonly vendor?: string
  readonly architecture?: string
  readonly isFallbackAdapter?: boolean
}

/** Rows of a pass, for prompts. A product takes one row after the other in any case. */
const passRows = 16

function createModule(name: GpujsName): BackendModule<GpujsTensor> {
  return {
    name: `gpujs:${name}`,
    unavailable: () => platform.unavailable(name),
    open: (options) => open(name, options),
  }
}

async function open(name: GpujsName, { threads }: OpenOptions): Promise<Backend<GpujsTensor>> {
  const { module, mode, version } = await platform.load(name)
  const gpu = new module.GPU({ mode })
  try {
    return await openOn(gpu, { name, version, threads })
  } catch (error) {
    await gpu.destroy().catch(() => {}) // why it cannot be opened is what counts
    throw error
  }
}

async function openOn(
  gpu: Gpu,
  { name, version, threads }: OpenOptions & { name: GpujsName; version: string },
): Promise<Backend<GpujsTensor>> {
  const device = createDevice(gpu, { mode: classModes[name], residence: residences[name] })
  const kernel = await device.tryOut()
  const adapter = adapterOf(name, kernel)
  const words = ['GPU.js', version, name].filter(Boolean).join(' ')
  const kind = adapter === undefined || adapter.software ? 'software' : 'hardware'
  return createBackend({
    name: `gpujs:${name}`,
    device,
    capabilities: {
      // A kernel is one program for all shapes, and computes a value by itself, in one order of its sums.
      rowInvariant: true,
      dtypes: ['f32'],
      threads: 1,
      passRows,
      device: [
        adapter === undefined ? words : `${words} on ${adapter.words}`,
        ...(threads === undefined || threads === 1 ? [] : [`1 thread (not ${threads}: it has no others)`]),
      ].join(', '),
      kind,
      ...(residences[name] === 'device' ? {} : { freeReads: true }),
    },
    room: () => (kind === 'software' ? freeMemory() : undefined),
    close: () => gpu.destroy(),
  })
}

/** The device in its own words, and whether it is software; undefined where it is the processor. */
function adapterOf(name: GpujsName, { kernel }: GpuKernel): { words: string; software: boolean } | undefined {
  if (name === 'webgpu') {
    const { info = {} } = (kernel.context as { adapter: { info?: AdapterInfo } }).adapter // see GpuModule
    const words = `${info.vendor ?? ''} ${info.architecture ?? ''}`.trim()
    return { words, software: info.isFallbackAdapter === true || isSoftwareName(words) }
  }
  if (name !== 'gl') return undefined
  const gl = kernel.context as WebGLRenderingContext // likewise
  if (!gl.getExtension('OES_texture_float') && !gl.getExtension('EXT_color_buffer_float')) {
    throw new BackendUnavailableError('WebGL of this device has no f32: use gpujs:webgpu or gpujs:webasm')
  }
  const unmasked = gl.getExtension('WEBGL_debug_renderer_info')?.UNMASKED_RENDERER_WEBGL
  const words = String(gl.getParameter(unmasked ?? gl.RENDERER))
  return { words, software: words === untold || isSoftwareName(words) }
}

export const gpujsCpu: BackendModule<GpujsTensor> = createModule('cpu')
export const gpujsWebasm: BackendModule<GpujsTensor> = createModule('webasm')
export const gpujsWebgpu: BackendModule<GpujsTensor> = createModule('webgpu')
export const gpujsGl: BackendModule<GpujsTensor> = createModule('gl')

/** All of them, in the order of the README's table. */
export const gpujsModules: readonly BackendModule<GpujsTensor>[] = [gpujsCpu, gpujsWebasm, gpujsWebgpu, gpujsGl]
