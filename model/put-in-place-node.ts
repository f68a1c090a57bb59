// Files that are there as a whole or not at all.

import { randomUUID } from 'node:crypto'
import { mkdtemp, rename, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Has `write` make what is to stand at `path` under another name beside it, and then gives it that name. Throws what it throws. */
export async function putInPlace(path: string, write: (temporary: string) => Promise<unknown>): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    await write(temporary)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}) // where it cannot be removed, it could not be made
    throw error
  }
}

/**
 * Throws what the file system does where nothing can be made in a folder; nothing is left there. To look at its rights is not
 * enough: /proc has them all.
 */
export async function expectTakesFiles(folder: string): Promise<void> {
  await rmdir(await mkdtemp(join(folder, '.drafthorse-')))
}
