// WebGPU in a browser. Chosen by the package's "#webgpu" import; platform-node.ts is its counterpart.

import { BackendUnavailableError } from '../errors.ts'
import type { Platform } from './platform.ts'

const none = 'this browser has no WebGPU'

function gpuHere(): GPU | undefined {
  return (globalThis.navigator as Navigator | undefined)?.gpu // workers of older browsers have no navigator
}

export const platform: Platform = {
  async unavailable() {
    const gpu = gpuHere()
    if (!gpu) return none
    return (await gpu.requestAdapter()) ? undefined : 'WebGPU of this browser found no adapter: it knows no driver here'
  },
  async gpu() {
    const gpu = gpuHere()
    if (!gpu) throw new BackendUnavailableError(none)
    return gpu
  },
}
