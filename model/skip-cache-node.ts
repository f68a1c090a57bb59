// The user's cache folder, for Node. Chosen by the package's "#skip-cache" import; skip-cache-browser.ts is its counterpart.

import type { Stats } from 'node:fs'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { ArgumentError, ModelFormatError } from '../engine/errors.ts'
import { expectTakesFiles, putInPlace } from './put-in-place-node.ts'

/** Bytes. A set names each layer twice at most, and the numbers beside it are bounded (skip-prior.ts). */
const largestFile = 1_000_000

/** The folder that what is kept goes into: it need not be there yet. */
function cacheFolder(): string {
  const { DRAFTHORSE_CACHE: own, XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = process.env
  if (own) return resolve(own)
  // A relative path there is to be ignored, says the specification of XDG.
  if (xdg && isAbsolute(xdg)) return join(xdg, 'drafthorse')
  if (process.platform === 'win32') return join(local || join(homedir(), 'AppData', 'Local'), 'drafthorse')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'drafthorse')
  return join(homedir(), '.cache', 'drafthorse')
}

function pathOf(id: string): string {
  return join(cacheFolder(), 'skip', `${id}.json`)
}

/**
 * What is kept under an id; `undefined` where nothing is, or no folder that may be looked into. Throws
 * {@link ModelFormatError} for what cannot be a skip file.
 */
export async function readCached(id: string): Promise<{ path: string; bytes: Uint8Array } | undefined> {
  let path: string
  let found: Stats
  try {
    path = pathOf(id)
    found = await stat(path)
  } catch {
    return undefined
  }
  if (!found.isFile()) throw new ModelFormatError(`${path} is not a file; expected a skip file`)
  if (found.size > largestFile) {
    throw new ModelFormatError(`${path} has ${found.size} bytes; a skip file has ${largestFile} at most`)
  }
  try {
    return { path, bytes: await readFile(path) }
  } catch (cause) {
    throw new ModelFormatError(`${path} cannot be read: ${cause}`, { cause })
  }
}

/**
 * Whether something can be put there, asked before it is found; nothing is left behind. Throws {@link ArgumentError} where it
 * cannot.
 */
export async function expectCacheTakesFiles(): Promise<void> {
  const folder = dirname(pathOf('any'))
  let there = folder
  while (!(await stat(there).catch(() => undefined)) && dirname(there) !== there) there = dirname(there)
  try {
    await expectTakesFiles(there)
  } catch (cause) {
    throw new ArgumentError(`${folder} cannot be written: ${cause}; DRAFTHORSE_CACHE names another folder`, { cause })
  }
}

/** Puts a text under an id, whole or not at all. Returns the path. Throws {@link ArgumentError} where it cannot be written. */
export async function writeCached(id: string, text: string): Promise<string> {
  const path = pathOf(id)
  try {
    await mkdir(dirname(path), { recursive: true })
    await putInPlace(path, (temporary) => writeFile(temporary, text, { flag: 'wx' }))
  } catch (cause) {
    throw new ArgumentError(`${path} cannot be written: ${cause}; DRAFTHORSE_CACHE names another folder`, { cause })
  }
  return path
}
