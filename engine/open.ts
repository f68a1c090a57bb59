// Which backends there are, and opening one by name or as a module of the user's own.

import type { Backend, BackendModule, OpenOptions } from './backend.ts'
import { checked } from './checks.ts'
import { ArgumentError, BackendUnavailableError, DrafthorseError } from './errors.ts'
import { gpujsModules } from './gpujs/index.ts'
import { expectBackend, expectModule } from './members.ts'
import { expectOptions } from './options.ts'
import { reference } from './reference/index.ts'
import { tfjsModules } from './tfjs/index.ts'
import { wasm } from './wasm/index.ts'
import { webgpu } from './webgpu/index.ts'

const modules: readonly BackendModule[] = [reference, wasm, webgpu, ...tfjsModules, ...gpujsModules]

/** What runs a model unless another backend is asked for. */
export const defaultBackend = 'wasm'

/** One backend of this version, and whether it runs here. */
export interface BackendListing {
  readonly name: string
  readonly available: boolean
  /** Why it does not run here. */
  readonly reason?: string
}

/** Every backend of this version, in the order of the README's table. */
export function listBackends(): Promise<BackendListing[]> {
  return Promise.all(
    modules.map(async ({ name, unavailable }) => {
      const reason = await unavailable?.()
      return reason === undefined ? { name, available: true } : { name, available: false, reason }
    }),
  )
}

/**
 * Opens a backend; every call to it is checked. `backend` is a name of `listBackends()` or a module of one's own.
 * Throws {@link ArgumentError} for an unknown name, {@link BackendUnavailableError} where it cannot run.
 */
export async function openBackend(backend: string | BackendModule, options: OpenOptions = {}): Promise<Backend> {
  const module = typeof backend === 'string' ? modules.find(({ name }) => name === backend) : backend
  if (!module && typeof backend === 'string') {
    throw new ArgumentError(`there is no backend "${backend}"; there is ${modules.map(({ name }) => name).join(', ')}`)
  }
  expectModule(module)
  expectOptions('openBackend', options)
  const { threads } = options
  if (threads !== undefined && (!Number.isSafeInteger(threads) || threads < 1)) {
    throw new ArgumentError(`threads is ${threads}, expected a whole number from 1`)
  }
  const reason = await module.unavailable?.()
  if (reason !== undefined) throw new BackendUnavailableError(`the ${module.name} backend cannot run here: ${reason}`)
  const opened = await openModule(module, options)
  expectBackend(module.name, opened)
  return checked(opened)
}

/** What a module throws on its own account becomes {@link BackendUnavailableError}. */
async function openModule(module: BackendModule, options: OpenOptions): Promise<unknown> {
  try {
    return await module.open(options)
  } catch (cause) {
    if (cause instanceof DrafthorseError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new BackendUnavailableError(`the ${module.name} backend cannot be opened: ${reason}`, { cause })
  }
}
