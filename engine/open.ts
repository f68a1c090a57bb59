// Which backends there are, and opening one by name or as a module of the user's own.

import type { Backend, BackendModule, OpenOptions } from './backend.ts'
import { checked } from './checks.ts'
import { ArgumentError, BackendUnavailableError } from './errors.ts'
import { reference } from './reference/index.ts'

const modules: readonly BackendModule[] = [reference]

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
  if (!module) {
    throw new ArgumentError(`there is no backend "${backend}"; there is ${modules.map(({ name }) => name).join(', ')}`)
  }
  const { threads } = options
  if (threads !== undefined && (!Number.isSafeInteger(threads) || threads < 1)) {
    throw new ArgumentError(`threads is ${threads}, expected a whole number from 1`)
  }
  const reason = await module.unavailable?.()
  if (reason !== undefined) throw new BackendUnavailableError(`the ${module.name} backend cannot run here: ${reason}`)
  return checked(await module.open(options))
}
