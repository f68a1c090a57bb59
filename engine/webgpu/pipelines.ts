// Compiled kernels, each made when it is first used, and the layouts of what is bound to them.

import { compute } from './flags.ts'
import { type Kernel, mostParams } from './kernels/kernel.ts'

export interface Pipeline {
  readonly pipeline: GPUComputePipeline
  readonly params: number
}

export interface Pipelines {
  readonly common: GPUBindGroupLayout
  readonly weight: GPUBindGroupLayout
  /** The kernel of this name, which `make` gives where it is not compiled yet. */
  get(name: string, make: () => Kernel): Pipeline
}

/** `prelude`: WGSL that stands before every kernel. */
export function createPipelines(device: GPUDevice, prelude: string): Pipelines {
  const readOnly = { type: 'read-only-storage' } as const
  const entry = (binding: number, buffer: GPUBufferBindingLayout): GPUBindGroupLayoutEntry => {
    return { binding, visibility: compute, buffer }
  }
  const common = device.createBindGroupLayout({
    entries: [
      entry(0, { type: 'uniform', hasDynamicOffset: true, minBindingSize: mostParams * 4 }),
      entry(1, readOnly),
      entry(2, { type: 'storage' }),
    ],
  })
  const weight = device.createBindGroupLayout({ entries: [entry(0, readOnly), entry(1, readOnly)] })
  const alone = device.createPipelineLayout({ bindGroupLayouts: [common] })
  const withWeight = device.createPipelineLayout({ bindGroupLayouts: [common, weight] })
  const known = new Map<string, Pipeline>()
  return {
    common,
    weight,
    get(name, make) {
      const found = known.get(name)
      if (found) return found
      const { code, params, readsWeight } = make()
      const module = device.createShaderModule({ label: name, code: prelude + code })
      const layout = readsWeight ? withWeight : alone
      const pipeline = device.createComputePipeline({ label: name, layout, compute: { module, entryPoint: 'main' } })
      const made = { pipeline, params: params.length }
      known.set(name, made)
      return made
    },
  }
}
