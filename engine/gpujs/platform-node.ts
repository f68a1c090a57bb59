// Loading GPU.js in Node: from the folder of the user's project, or from beside this package. Chosen by the package's "#gpujs"
// import; platform-browser.ts is its counterpart.

import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BackendUnavailableError } from '../errors.ts'
import { asGpuModule, type GpujsName, installHint, type Platform } from './platform.ts'

export const platform: Platform = {
  async unavailable(name) {
    const require = findGpujs()
    if (!require) return installHint
    if (name === 'gl') return hasHeadlessGl(require) ? undefined : noHeadlessGl
    if (name !== 'webgpu' || hasWebgpu()) return undefined
    const dawn = findDawn(require)
    if (!dawn) return 'Node has no WebGPU of its own: run "npm install webgpu" (Dawn)'
    return (await hasAdapter(dawn)) ? undefined : noAdapter
  },

  async load(name) {
    const require = findGpujs()
    if (!require) throw new BackendUnavailableError(installHint)
    if (name === 'webgpu' && !hasWebgpu()) await startDawn(findDawn(require))
    const { version } = require('gpu.js/package.json') as { version: string } // every package has one
    return { module: asGpuModule(require('gpu.js')), mode: modes[name], version }
  },
}

const modes: Readonly<Record<GpujsName, string>> = { cpu: 'cpu', webasm: 'webasm', webgpu: 'webgpu', gl: 'headlessgl' }

const noHeadlessGl =
  'GPU.js found no headless-gl: its package "gl" has to be built, on Debian and Ubuntu after "apt-get install ' +
  'build-essential python3 pkg-config libxi-dev libxext-dev libgl1-mesa-dev", by "npm rebuild gl", and it needs an X display'

const noAdapter =
  'WebGPU found no adapter: install a driver of your graphics card for Vulkan (on Debian and Ubuntu ' +
  '"apt-get install mesa-vulkan-drivers", which has one in software too)'

/** From the user's project, or from here. */
function findGpujs(): NodeJS.Require | undefined {
  const places = [createRequire(join(process.cwd(), 'any.js')), createRequire(import.meta.url)]
  return places.find((require) => resolved(require, 'gpu.js') !== undefined)
}

function resolved(require: NodeJS.Require, name: string): string | undefined {
  try {
    return require.resolve(name)
  } catch {
    return undefined
  }
}

function hasHeadlessGl(require: NodeJS.Require): boolean {
  return asGpuModule(require('gpu.js')).GPU.isHeadlessGLSupported
}

function hasWebgpu(): boolean {
  return 'gpu' in (globalThis.navigator ?? {})
}

/** The file of Dawn: the project's own, or the one that came with GPU.js. */
function findDawn(require: NodeJS.Require): string | undefined {
  return resolved(require, 'webgpu') ?? resolved(createRequire(require.resolve('gpu.js')), 'webgpu')
}

/** Answers by the file of Dawn. */
const adapters = new Map<string, Promise<boolean>>()

/** Asked in a process of its own, since Dawn writes to standard error where it finds none. */
function hasAdapter(dawn: string): Promise<boolean> {
  const known = adapters.get(dawn)
  if (known) return known
  const none = 3
  const program = `import(${JSON.stringify(pathToFileURL(dawn).href)})
    .then(({ create }) => create([]).requestAdapter())
    .then((adapter) => process.exit(adapter ? 0 : ${none}))`
  const answer = new Promise<boolean>((resolve) => {
    // Whatever else goes wrong will go wrong again when it is opened, and is told then.
    execFile(process.execPath, ['--eval', program], (error) => resolve(error?.code !== none))
  })
  adapters.set(dawn, answer)
  return answer
}

/** Makes Dawn, the WebGPU of Chromium, this process's `navigator.gpu`. */
async function startDawn(dawn: string | undefined): Promise<void> {
  if (dawn === undefined) throw new BackendUnavailableError('run "npm install webgpu" (Dawn)')
  const loaded: unknown = await import(pathToFileURL(dawn).href)
  const { create, globals } = loaded as { create(options: readonly string[]): unknown; globals: object } // an optional package
  Object.assign(globalThis, globals)
  const navigator = (globalThis.navigator as object | undefined) ?? {} // Node 20 has none
  Object.defineProperty(navigator, 'gpu', { value: create([]), configurable: true })
  if (!globalThis.navigator) Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true })
}
