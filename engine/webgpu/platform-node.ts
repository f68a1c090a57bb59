// WebGPU in Node: its own where there is one, else Dawn. Chosen by the package's "#webgpu" import; platform-browser.ts is its
// counterpart.

import { dawnHint, findDawn, hasAdapter, hasWebgpu, noAdapter, startDawn } from '../dawn-node.ts'
import { BackendUnavailableError } from '../errors.ts'
import type { Platform } from './platform.ts'

export const platform: Platform = {
  async unavailable() {
    if (hasWebgpu()) return undefined
    const dawn = findDawn()
    if (dawn === undefined) return dawnHint
    return (await hasAdapter(dawn)) ? undefined : noAdapter
  },
  async gpu() {
    if (!hasWebgpu()) {
      const dawn = findDawn()
      if (dawn === undefined) throw new BackendUnavailableError(dawnHint)
      await startDawn(dawn)
    }
    return navigator.gpu
  },
}
