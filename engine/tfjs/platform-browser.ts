// Loading TensorFlow.js in a browser: by the names of its packages, which a bundler or an import map resolves. Chosen by
// the package's "#tfjs" import; platform-node.ts is its counterpart.

import { asTf, installHint, type Platform, type TfjsName } from './load.ts'

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

const packages: Readonly<Record<TfjsName, readonly string[]>> = {
  tensorflow: [],
  cpu: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu'],
  wasm: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm'],
  webgl: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-webgl'],
  webgpu: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-webgpu'],
}

export const platform: Platform = {
  async unavailable(name) {
    if (name === 'tensorflow') return 'TensorFlow itself runs in Node only'
    if (name === 'webgpu' && !('gpu' in navigator)) return 'this browser has no WebGPU'
    try {
      for (const wanted of packages[name]) await importers[wanted]!()
      return undefined
    } catch {
      return installHint(name)
    }
  },
  async load(name) {
    const modules = new Map<string, unknown>()
    for (const wanted of packages[name]) modules.set(wanted, await importers[wanted]!())
    return { tf: asTf(modules.get('@tensorflow/tfjs-core')), modules }
  },
  tensorflowThreads: () => 1,
  freeMemory: () => undefined,
}
