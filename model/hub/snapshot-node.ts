// The names that contents have in a cache: a snapshot's files, and the commit of a revision.

import { copyFile, link, mkdir, realpath, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { ModelFormatError } from '../../engine/errors.ts'
import { putInPlace } from '../put-in-place-node.ts'
import { blobPath } from './blob-node.ts'
import type { HubFile } from './listing-node.ts'
import { isErrorCode } from './system-error-node.ts'

/** Whether a snapshot has a file, by a link or itself. */
export async function isPlaced({ path, size }: HubFile, folder: string): Promise<boolean> {
  try {
    const status = await stat(join(folder, ...path.split('/')))
    return status.isFile() && status.size === size
  } catch (error) {
    if (isErrorCode(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}

/** Gives a content its path in the snapshot: a link, or where the system allows none, a copy. */
export async function placeFile(
  file: HubFile,
  { entry, blobs, folder, copies }: { entry: string; blobs: string; folder: string; copies: boolean },
): Promise<void> {
  const path = join(folder, ...file.path.split('/'))
  const parent = dirname(path)
  await mkdir(parent, { recursive: true })
  const expected = join(await realpath(entry), relative(entry, parent))
  if ((await realpath(parent)) !== expected) {
    throw new ModelFormatError(`${parent} leads out of the cache by a link; remove it, and pull again`)
  }
  const blob = blobPath(blobs, file)
  const waysToPlace = copies
    ? [copyFile]
    : [(_: string, to: string) => symlink(relative(parent, blob), to), link, copyFile]
  await putInPlace(path, async (temporary) => {
    for (const [i, way] of waysToPlace.entries()) {
      try {
        return await way(blob, temporary)
      } catch (error) {
        const impossible = isErrorCode(error, 'EPERM', 'EACCES', 'ENOTSUP', 'ENOSYS', 'EOPNOTSUPP', 'EINVAL', 'UNKNOWN')
        if (!impossible || i === waysToPlace.length - 1) throw error
      }
    }
  })
}

/** Notes the commit that a branch or tag means; others see the note as a whole. */
export async function writeRef(
  entry: string,
  { revision, commit }: { readonly revision: string; readonly commit: string },
): Promise<void> {
  const path = join(entry, 'refs', ...revision.split('/'))
  await mkdir(dirname(path), { recursive: true })
  await putInPlace(path, (temporary) => writeFile(temporary, commit))
}
