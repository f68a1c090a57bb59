// Files that are on their way into a cache. Each pull writes into a file of its own, so that two at once cannot spoil each
// other's; one that a pull left behind is taken over by the next, by renaming it, which only one of several can do.

import { createHash, randomBytes } from 'node:crypto'
import { lstat, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isErrorCode } from './system-error-node.ts'

// HASH.HOST.PROCESS.RANDOM.incomplete while a process writes it, HASH.left.RANDOM.incomplete afterwards.
const suffix = 'incomplete'
const left = 'left'
const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 12)
/**
 * Milliseconds without a byte after which any file counts as left, since the processes of other machines and containers
 * cannot be seen from here; a pull that is alive gives up a silent connection long before.
 */
const abandoned = 3600 * 1000

/**
 * Takes over what an earlier pull left of the content with this hash, the longest piece first, or begins an empty file.
 * Gives the file's path, which is the caller's until {@link leavePartial} or until it is renamed.
 */
export async function claimPartial(blobs: string, hash: string): Promise<string> {
  const mine = join(blobs, `${hash}.${host}.${process.pid}.${random()}.${suffix}`)
  for (const { path } of await leftovers(blobs, hash)) {
    try {
      await rename(path, mine)
      return mine
    } catch (error) {
      // Another was quicker, or, on Windows, still has it open.
      if (!isErrorCode(error, 'ENOENT', 'EPERM', 'EACCES', 'EBUSY')) throw error
    }
  }
  await (await open(mine, 'wx')).close()
  return mine
}

/** Leaves a claimed file to the next pull; an empty one is removed. */
export async function leavePartial(
  mine: string,
  { blobs, hash }: { readonly blobs: string; readonly hash: string },
): Promise<void> {
  try {
    const { size } = await stat(mine)
    if (size === 0) await rm(mine)
    else await rename(mine, join(blobs, `${hash}.${left}.${random()}.${suffix}`))
  } catch (error) {
    if (!isErrorCode(error, 'ENOENT')) throw error
  }
}

/** Removes all that is left of this content, once it is there as a whole. */
export async function removeLeftovers(blobs: string, hash: string): Promise<void> {
  for (const { path } of await leftovers(blobs, hash)) await rm(path, { force: true })
}

/** Bytes that a pull would take over. */
export async function leftoverSize(blobs: string, hash: string): Promise<number> {
  const [longest] = await leftovers(blobs, hash)
  return longest?.size ?? 0
}

/** Files that nobody writes, the longest first. */
async function leftovers(blobs: string, hash: string): Promise<{ path: string; size: number }[]> {
  const found: { path: string; size: number }[] = []
  for (const name of await readdir(blobs)) {
    const parts = name.split('.')
    if (parts[0] !== hash || parts.at(-1) !== suffix) continue
    const path = join(blobs, name)
    try {
      const status = await lstat(path)
      if (status.isFile() && isLeft(parts, status.mtimeMs)) found.push({ path, size: status.size })
    } catch (error) {
      if (!isErrorCode(error, 'ENOENT')) throw error // taken over since the folder was read
    }
  }
  return found.toSorted((a, b) => b.size - a.size)
}

/** By its name's parts and its time: whether no pull is writing a file. Not ours, such as huggingface_hub's: it is not left. */
function isLeft(parts: readonly string[], mtimeMs: number): boolean {
  const [, owner, pid] = parts
  if (owner === left) return parts.length === 4
  if (parts.length !== 5) return false
  return (owner === host && !isRunning(Number(pid))) || Date.now() - mtimeMs > abandoned
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !isErrorCode(error, 'ESRCH')
  }
}

function random(): string {
  return randomBytes(6).toString('hex')
}
