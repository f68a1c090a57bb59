// Backends of a command line: by name, or a module of the user's own.

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { BackendModule } from '../engine/backend.ts'
import { ArgumentError, BackendUnavailableError, NotFoundError } from '../engine/errors.ts'

/**
 * What `openBackend` takes for the text after `--backend`: the text itself, or the module that it is the path of. Throws
 * {@link NotFoundError}, {@link ArgumentError} for a module of another kind, {@link BackendUnavailableError} where
 * TypeScript does not run.
 */
export async function backendFrom(text: string): Promise<string | BackendModule> {
  return isPath(text) ? importBackend(text) : text
}

function isPath(backend: string): boolean {
  return /[\\/]/.test(backend) || /\.[cm]?[jt]s$/.test(backend)
}

async function importBackend(path: string): Promise<BackendModule> {
  const file = resolve(path)
  if (!existsSync(file)) throw new NotFoundError(`there is no file ${file}`)
  if (/^\.[cm]?ts$/.test(extname(file))) await makeTypeScriptRun(path)
  let exported: unknown
  try {
    exported = await import(pathToFileURL(file).href)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const remedy = error instanceof SyntaxError ? '; if it is an ES module, name it .mts or .mjs' : ''
    throw new ArgumentError(`${path} could not be loaded: ${reason}${remedy}`, { cause: error })
  }
  const module = backendIn(exported)
  if (module) return module
  const names = typeof exported === 'object' && exported ? Object.keys(exported).join(', ') : ''
  throw new ArgumentError(
    `${path} exports ${names || 'nothing'}; expected a BackendModule as its default export or as "backend": an object with ` +
      'a name and open(options), as withOps(reference, { rmsNorm }) makes one',
  )
}

/** A module compiled to CommonJS has its exports once more inside the default. */
function backendIn(exported: unknown, depth = 0): BackendModule | undefined {
  if (typeof exported !== 'object' || !exported || depth > 2) return undefined
  if (isBackendModule(exported)) return exported
  const inside = [
    ...('default' in exported ? [exported.default] : []),
    ...('backend' in exported ? [exported.backend] : []),
  ]
  return inside.map((value) => backendIn(value, depth + 1)).find((module) => module !== undefined)
}

/** What `open` takes and gives cannot be seen from here: the cases will tell. */
function isBackendModule(value: object): value is BackendModule {
  return 'name' in value && typeof value.name === 'string' && 'open' in value && typeof value.open === 'function'
}

/** Registers tsx where Node itself does not run TypeScript. */
async function makeTypeScriptRun(path: string): Promise<void> {
  // `typescript` is missing in the types of the oldest Node that we run on.
  if ((process.features as { typescript?: unknown }).typescript) return
  try {
    // As `node --import tsx` does: importing it registers it.
    await import(pathToFileURL(createRequire(join(process.cwd(), 'any.js')).resolve('tsx')).href)
  } catch (error) {
    throw new BackendUnavailableError(
      `${path} is TypeScript, which Node ${process.versions.node} does not run: update Node to 22.18 or later, ` +
        'or run "npm install tsx" in this folder',
      { cause: error },
    )
  }
}
