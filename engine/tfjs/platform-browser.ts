// Loading TensorFlow.js in a browser: by the names of its packages, which a bundler or an import map resolves. Chosen by
// the package's "#tfjs" import; platform-node.ts is its counterpart.

import { asTf, installHint, type Platform, packagesOf, type TfjsName } from './load.ts'

// Literal names, so that bundlers see them.
const importers: Readonly<Record<string, () => Promise<unknown>>> = {
  // @ts-expect-error an optional package, whose types may be missing
  '@tensorflow/tfjs-core': () => import('@tensorflow/tfjs-core'),
  // @ts-expect-error an optional package, whose types may be missing
  '@tensorflow/tfjs-backend-cpu': () => import('@tensorflow/tfjs-backend-cpu'),
  // @ts-expect-error an optional package, whose types may be missing
  '@tensorflow/tfjs-backend-wasm': () => import('@tensorflow/tfjs-backend-wasm'),
  // @ts-expect-error an optional package, whose types may be missing
  '@tensorflow/tfjs-backend-webgl': () => import('@tensorflow/tfjs-backend-webgl'),
  // @ts-expect-error an optional package, whose types may be missing
  '@tensorflow/tfjs-backend-webgpu': () => import('@tensorflow/tfjs-backend-webgpu'),
}

export const platform: Platform = {
  async unavailable(name) {
    const missing = await missingDevice(name)
    if (missing !== undefined) return missing
    try {
      await importAll(name)
      return undefined
    } catch {
      return installHint(name)
    }
  },
  async load(name) {
    const modules = await importAll(name)
    return { tf: asTf(modules.get('@tensorflow/tfjs-core')), modules, failures: [] }
  },
  tensorflowThreads: () => 1,
}

async function importAll(name: TfjsName): Promise<Map<string, unknown>> {
  const modules = new Map<string, unknown>()
  for (const wanted of packagesOf[name][0]!) modules.set(wanted, await importers[wanted]!())
  return modules
}

/** What this browser lacks, whatever is installed. */
async function missingDevice(name: TfjsName): Promise<string | undefined> {
  if (name === 'tensorflow') return 'TensorFlow itself runs in Node only'
  if (name === 'webgl' && !hasWebgl2()) return 'this browser has no WebGL 2'
  if (name !== 'webgpu') return undefined
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } } // missing in the types of older libraries
  if (!gpu) return 'this browser has no WebGPU'
  return (await gpu.requestAdapter()) ? undefined : 'WebGPU of this browser found no adapter: it knows no driver here'
}

function hasWebgl2(): boolean {
  if (typeof OffscreenCanvas === 'function') return new OffscreenCanvas(1, 1).getContext('webgl2') !== null
  return typeof document === 'object' && document.createElement('canvas').getContext('webgl2') !== null
}
