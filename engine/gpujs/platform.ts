// What a platform has to give, and what is said where it cannot.

import type { GpuModule } from './gpu.ts'

export type GpujsName = 'cpu' | 'webasm' | 'webgpu' | 'gl'

/** GPU.js, and the mode that a name stands for here. */
export interface Loaded {
  readonly module: GpuModule
  readonly mode: string
  readonly version: string
}

/** How a platform finds and loads GPU.js. */
export interface Platform {
  /** Says in one line what to install, or what else is missing, or nothing. */
  unavailable(name: GpujsName): Promise<string | undefined>
  load(name: GpujsName): Promise<Loaded>
}

export const installHint = 'run "npm install gpu.js"'

/** Narrows what the package exported. */
export function asGpuModule(module: unknown): GpuModule {
  const { default: inner } = module as { default?: unknown } // a bundler's view of a CommonJS module
  return (inner ?? module) as GpuModule // the package is optional, so its types cannot be imported
}
