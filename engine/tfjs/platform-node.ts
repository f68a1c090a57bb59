// Loading TensorFlow.js in Node: from the folder of the user's project, or from beside this package. Chosen by the
// package's "#tfjs" import; platform-browser.ts is its counterpart.

import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import util from 'node:util'
import { asTf, installHint, type Loaded, type Platform, packagesOf, type TfjsName } from './load.ts'

const fromProject = (): NodeJS.Require => createRequire(join(process.cwd(), 'any.js'))
const fromHere = (): NodeJS.Require => createRequire(import.meta.url)

export const platform: Platform = {
  async unavailable(name) {
    if (!find(name)) return installHint(name)
    if (name === 'webgl') return 'WebGL is in browsers only'
    if (name === 'webgpu' && !hasWebgpu() && !find(name, ['webgpu'])) {
      return 'Node has no WebGPU of its own: run "npm install webgpu" (Dawn)'
    }
    return undefined
  },

  async load(name, { threads }) {
    const found = find(name)
    if (!found) throw new Error(installHint(name))
    const isLoaded = found.packages.some((wanted) => found.require.cache[found.require.resolve(wanted)])
    if (name === 'tensorflow' && !isLoaded) prepareTensorflow(threads)
    if (name === 'webgpu' && !hasWebgpu()) await startDawn(found.require)
    return quietly(() => {
      const modules = new Map(found.packages.map((wanted) => [wanted, found.require(wanted) as unknown]))
      return { tf: asTf(modules.get(found.packages[0]!)), modules }
    })
  },

  tensorflowThreads: () => Number(process.env[threadsVariable]) || availableParallelism(),

  // Missing before Node 20.13, and 0 where the system does not tell.
  freeMemory: () => process.availableMemory?.() || undefined,
}

function hasWebgpu(): boolean {
  return 'gpu' in (globalThis.navigator ?? {})
}

/** Makes Dawn, the WebGPU of Chromium, this process's `navigator.gpu`. */
async function startDawn(require: NodeJS.Require): Promise<void> {
  const dawn: unknown = await import(pathToFileURL(require.resolve('webgpu')).href)
  const { create, globals } = dawn as { create(options: readonly string[]): unknown; globals: object } // see asTf
  Object.assign(globalThis, globals)
  const navigator = (globalThis.navigator as object | undefined) ?? {} // Node 20 has none
  Object.defineProperty(navigator, 'gpu', { value: create([]), configurable: true })
  if (!globalThis.navigator) Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true })
}

/** Where the packages of a backend are, all in one place, so that they share one tfjs-core. */
function find(
  name: TfjsName,
  more: readonly string[] = [],
): { packages: readonly string[]; require: NodeJS.Require } | undefined {
  for (const packages of packagesOf[name]) {
    for (const require of [fromProject(), fromHere()]) {
      if ([...packages, ...more].every((wanted) => resolves(require, wanted))) return { packages, require }
    }
  }
  return undefined
}

function resolves(require: NodeJS.Require, name: string): boolean {
  try {
    require.resolve(name)
    return true
  } catch {
    return false
  }
}

/** Set before the library is loaded, and left alone from then on: so it says what was read. */
const threadsVariable = 'TF_NUM_INTRAOP_THREADS'

/** What TensorFlow and its binding read when they are loaded, and never again. */
function prepareTensorflow(threads: number | undefined): void {
  const { env } = process
  env['TF_CPP_MIN_LOG_LEVEL'] ??= '2'
  // Sums in full f32, and memory as it is needed; both only count on NVIDIA GPUs.
  env['NVIDIA_TF32_OVERRIDE'] ??= '0'
  env['TF_FORCE_GPU_ALLOW_GROWTH'] ??= 'true'
  if (threads !== undefined) {
    env[threadsVariable] = String(threads)
    env['TF_NUM_INTEROP_THREADS'] = '1'
  }
  // tfjs-node 4.22 calls two functions that Node 23 dropped.
  const old = util as { isNullOrUndefined?: (value: unknown) => boolean; isArray?: (value: unknown) => boolean } // gone from the types of newer Nodes
  old.isNullOrUndefined ??= (value) => value === null || value === undefined
  old.isArray ??= Array.isArray
}

/** Standard output belongs to the program that calls us. */
function quietly(load: () => Loaded): Loaded {
  const { log, info } = console
  console.log = console.error
  console.info = console.error
  try {
    return load()
  } finally {
    console.log = log
    console.info = info
  }
}
