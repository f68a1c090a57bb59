// Loading GPU.js in a browser: by its name, which a bundler or an import map resolves. Chosen by the package's "#gpujs" import;
// platform-node.ts is its counterpart.

import { asGpuModule, type GpujsName, installHint, type Platform } from './platform.ts'

// @ts-expect-error an optional package, which may not be there, nor its types
const load = (): Promise<unknown> => import('gpu.js')

export const platform: Platform = {
  async unavailable(name) {
    const missing = await missingDevice(name)
    if (missing !== undefined) return missing
    try {
      await load()
      return undefined
    } catch {
      return installHint
    }
  },
  async load(name) {
    return { module: asGpuModule(await load()), mode: modes[name], version: '' }
  },
}

const modes: Readonly<Record<GpujsName, string>> = { cpu: 'cpu', webasm: 'webasm', webgpu: 'webgpu', gl: 'webgl2' }

/** What this browser lacks, whatever is installed. */
async function missingDevice(name: GpujsName): Promise<string | undefined> {
  if (name === 'gl' && !hasWebgl2()) return 'this browser has no WebGL 2'
  if (name !== 'webgpu') return undefined
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } } // missing in the types of older libraries
  if (!gpu) return 'this browser has no WebGPU'
  return (await gpu.requestAdapter()) ? undefined : 'WebGPU of this browser found no adapter: it knows no driver here'
}

function hasWebgl2(): boolean {
  if (typeof OffscreenCanvas === 'function') return new OffscreenCanvas(1, 1).getContext('webgl2') !== null
  return typeof document === 'object' && document.createElement('canvas').getContext('webgl2') !== null
}
