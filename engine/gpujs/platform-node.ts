// Loading GPU.js in Node: from the folder of the user's project, or from beside this package. Chosen by the package's "#gpujs"
// import; platform-browser.ts is its counterpart.

import { createRequire } from 'node:module'
import {
  dawnHint,
  findDawn as findOwnDawn,
  hasAdapter,
  hasWebgpu,
  noAdapter,
  ownRequires,
  resolved,
  startDawn,
} from '../dawn-node.ts'
import { BackendUnavailableError } from '../errors.ts'
import { asGpuModule, type GpujsName, installHint, type Platform } from './platform.ts'

export const platform: Platform = {
  async unavailable(name) {
    const require = findGpujs()
    if (!require) return installHint
    if (name === 'gl') return hasHeadlessGl(require) ? undefined : noHeadlessGl
    if (name !== 'webgpu' || hasWebgpu()) return undefined
    const dawn = findDawn(require)
    if (!dawn) return dawnHint
    return (await hasAdapter(dawn)) ? undefined : noAdapter
  },

  async load(name) {
    const require = findGpujs()
    if (!require) throw new BackendUnavailableError(installHint)
    if (name === 'webgpu' && !hasWebgpu()) {
      const dawn = findDawn(require)
      if (!dawn) throw new BackendUnavailableError(dawnHint)
      await startDawn(dawn)
    }
    const { version } = require('gpu.js/package.json') as { version: string } // every package has one
    return { module: asGpuModule(require('gpu.js')), mode: modes[name], version }
  },
}

const modes: Readonly<Record<GpujsName, string>> = { cpu: 'cpu', webasm: 'webasm', webgpu: 'webgpu', gl: 'headlessgl' }

const noHeadlessGl =
  'GPU.js found no headless-gl: its package "gl" has to be built, on Debian and Ubuntu after "apt-get install ' +
  'build-essential python3 pkg-config libxi-dev libxext-dev libgl1-mesa-dev", by "npm rebuild gl", and it needs an X display'

/** From the user's project, or from here. */
function findGpujs(): NodeJS.Require | undefined {
  return ownRequires().find((require) => resolved(require, 'gpu.js') !== undefined)
}

function hasHeadlessGl(require: NodeJS.Require): boolean {
  return asGpuModule(require('gpu.js')).GPU.isHeadlessGLSupported
}

/** The file of Dawn: the project's own, or the one that came with GPU.js. */
function findDawn(require: NodeJS.Require): string | undefined {
  return findOwnDawn() ?? resolved(createRequire(require.resolve('gpu.js')), 'webgpu')
}
