// Which packages each backend needs, and what they are once they are there.

import type { NodeBackend, Tf } from './tf.ts'

export type TfjsName = 'tensorflow' | 'wasm' | 'webgpu' | 'webgl' | 'cpu'

/** Packages that hold a backend: any one list of these will do. */
export const packagesOf: Readonly<Record<TfjsName, readonly (readonly string[])[]>> = {
  tensorflow: [['@tensorflow/tfjs-node-gpu'], ['@tensorflow/tfjs-node']],
  wasm: [['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm']],
  webgpu: [['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu', '@tensorflow/tfjs-backend-webgpu']],
  webgl: [['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu', '@tensorflow/tfjs-backend-webgl']],
  cpu: [['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu']],
}

/** Loaded packages: the one with the operations, and all of them by name. */
export interface Loaded {
  readonly tf: Tf
  readonly modules: ReadonlyMap<string, unknown>
  /** What was to be loaded first, and why it could not be. */
  readonly failures: readonly string[]
}

/** How a platform finds and loads packages. */
export interface Platform {
  /** Says in one line what to install, or what else is missing, or nothing. */
  unavailable(name: TfjsName): Promise<string | undefined>
  load(name: TfjsName, options: { readonly threads: number | undefined }): Promise<Loaded>
  /** Threads that TensorFlow runs: its library takes their number when it is loaded, and keeps it. */
  tensorflowThreads(): number
}

/** What to type to get a backend. */
export function installHint(name: TfjsName): string {
  return `run "npm install ${packagesOf[name].at(-1)!.join(' ')}"`
}

/** Narrows what a package exported: its operations are called by name from here on. */
export function asTf(module: unknown): Tf {
  return module as Tf // the packages are optional, so their types cannot be imported
}

export function asNodeBackend(backend: unknown): NodeBackend {
  return backend as NodeBackend // see asTf
}
