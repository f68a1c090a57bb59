// The part of GPU.js that this backend calls, typed here because the package is optional and may not be there.

/** What a kernel gives and takes: rows of numbers in JavaScript's memory. */
export type HostRows = readonly Float32Array[]

/** The same on a device: a texture of WebGL or a buffer of WebGPU. */
export interface DeviceRows {
  toArray(): HostRows | Promise<HostRows>
  delete(): void
}

/** A kernel, which may be called. `kernel` is what really runs: GPU.js replaces it where it falls back to another mode. */
export interface GpuKernel {
  (...args: readonly (HostRows | DeviceRows | number)[]): HostRows | DeviceRows | Promise<DeviceRows>
  setOutput(size: readonly [width: number, rows: number]): GpuKernel
  destroy(): void
  readonly kernel: {
    readonly constructor: { readonly mode?: string }
    readonly fallbackReason?: string | null
    readonly context?: unknown
  }
}

export interface KernelSettings {
  readonly constants: Readonly<Record<string, number | HostRows>>
  readonly precision: 'single'
  readonly pipeline: true
  readonly immutable: true
  readonly dynamicOutput: true
  readonly dynamicArguments: true
  readonly loopMaxIterations: number
  readonly tactic: 'precision'
  readonly optimizeFloatMemory: boolean
}

export interface Gpu {
  createKernel(source: unknown, settings: KernelSettings): GpuKernel
  destroy(): Promise<void>
}

/** What `gpu.js` exports. */
export interface GpuModule {
  readonly GPU: {
    new (settings: { readonly mode: string }): Gpu
    readonly isWebGL2Supported: boolean
    readonly isHeadlessGLSupported: boolean
  }
}
