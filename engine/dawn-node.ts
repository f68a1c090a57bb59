// WebGPU in Node, which has none of its own: Dawn, that of Chromium, from the npm package `webgpu` of the user's project, or
// from beside this package.

import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** What to install, where Node has no WebGPU. */
export const dawnHint = 'Node has no WebGPU of its own: run "npm install webgpu" (Dawn)'

/** What to install, where WebGPU finds nothing that computes. */
export const noAdapter: string =
  'WebGPU found no adapter: install a driver of your graphics card for Vulkan (on Debian and Ubuntu ' +
  '"apt-get install mesa-vulkan-drivers", which has one in software too)'

/** Whether this process has WebGPU, of its own or Dawn that was started. */
export function hasWebgpu(): boolean {
  return 'gpu' in (globalThis.navigator ?? {})
}

/** From the user's project, and from here. */
export function ownRequires(): NodeJS.Require[] {
  return [createRequire(join(process.cwd(), 'any.js')), createRequire(import.meta.url)]
}

/** The path of a package's main file, where it is installed. */
export function resolved(require: NodeJS.Require, name: string): string | undefined {
  try {
    return require.resolve(name)
  } catch {
    return undefined
  }
}

/** The file of Dawn, if it is installed. */
export function findDawn(): string | undefined {
  return ownRequires()
    .map((require) => resolved(require, 'webgpu'))
    .find((path) => path !== undefined)
}

/** Answers by the file of Dawn. */
const adapters = new Map<string, Promise<boolean>>()

/** Asked in a process of its own, since Dawn writes to standard error where it finds none. */
export function hasAdapter(path: string): Promise<boolean> {
  const dawn = pathToFileURL(path).href
  const known = adapters.get(dawn)
  if (known) return known
  const none = 3
  const program = `import(${JSON.stringify(dawn)})
    .then(({ create }) => create([]).requestAdapter())
    .then((adapter) => process.exit(adapter ? 0 : ${none}))`
  const answer = new Promise<boolean>((resolve) => {
    // Whatever else goes wrong will go wrong again when it is opened, and is told then.
    execFile(process.execPath, ['--eval', program], (error) => resolve(error?.code !== none))
  })
  adapters.set(dawn, answer)
  return answer
}

/** Makes Dawn this process's `navigator.gpu`. */
export async function startDawn(path: string): Promise<void> {
  const dawn: unknown = await import(pathToFileURL(path).href)
  const { create, globals } = dawn as { create(options: readonly string[]): unknown; globals: object } // an optional package
  Object.assign(globalThis, globals)
  const navigator = (globalThis.navigator as object | undefined) ?? {} // Node 20 has none
  Object.defineProperty(navigator, 'gpu', { value: create([]), configurable: true })
  if (!globalThis.navigator) Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true })
}
