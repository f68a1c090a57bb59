// A model's files on disk, for Node. Chosen by the package's "#files" import; files-browser.ts is its counterpart.

import type { Stats } from 'node:fs'
import { type FileHandle, open, realpath, stat } from 'node:fs/promises'
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DisposedError, ModelFormatError, NotFoundError, OutOfMemoryError } from '../../engine/errors.ts'
import { embeddedName } from './embedded.ts'
import { type ByteSource, checkFileName, checkRange, type ModelFiles } from './files.ts'

export { openOutput } from '../save/output-node.ts'

/** Bytes asked of the system at a time; one call may return no more than 2 GiB. */
const chunk = 2 ** 30

/**
 * The files of a model on disk: its folder, or its one file. A file in the folder may be a symbolic link, but only to a
 * place inside the folder, or, in a Hugging Face cache (`models--owner--name/snapshots/revision`), to a place inside
 * `models--owner--name`, where the cache keeps the contents. A path that the caller gave is followed anywhere. Throws
 * {@link NotFoundError}.
 */
export async function openFiles(path: string | URL): Promise<ModelFiles> {
  const given = typeof path === 'string' ? path : fileURLToPath(path)
  const full = resolve(given)
  const kind = given === '' || given.includes('\0') ? undefined : await statOf(full)
  if (!kind) throw new NotFoundError(missing(given))
  if (kind.isDirectory()) return folderFiles(full, undefined)
  if (kind.isFile()) return folderFiles(dirname(full), basename(full))
  throw new ModelFormatError(`${given} is neither a file nor a folder`)
}

/** The files of the embedded model: the folder models/stories of the package, wherever it is installed. */
export function openEmbedded(): Promise<ModelFiles> {
  // This file runs from dist/model/load, or, in the package's own tests, as the source in model/load.
  const root = import.meta.url.endsWith('.ts') ? '../../' : '../../../'
  return openFiles(new URL(`${root}models/${embeddedName}/`, import.meta.url))
}

async function folderFiles(folder: string, file: string | undefined): Promise<ModelFiles> {
  const root = await realpath(folder)
  const allowed = cacheOf(root)?.folder ?? root
  return {
    name: modelName(root, file),
    file,
    async open(path) {
      checkFileName(path, folder)
      const full = join(root, path)
      const kind = await statOf(full)
      if (!kind) return undefined
      if (!kind.isFile()) throw new ModelFormatError(`${full} is not a file; expected one of the model's files`)
      const target = await realpath(full)
      if (path !== file && !contains(allowed, target)) {
        throw new ModelFormatError(
          `${full} is a link to ${target}, outside of the model's folder; put a copy there instead`,
        )
      }
      return fileSource(target, join(folder, path))
    },
  }
}

async function fileSource(target: string, name: string): Promise<ByteSource> {
  const handle = await open(target)
  let closed = false
  let size: number
  try {
    size = (await handle.stat()).size
  } catch (error) {
    await handle.close()
    throw error
  }
  return {
    name,
    size,
    async read(offset, length) {
      if (closed) throw new DisposedError(`${name} was closed, and cannot be read any more`)
      checkRange({ name, size }, { offset, length })
      const bytes = allocate(length, name)
      await fill(bytes, { handle, offset, name })
      return bytes
    },
    async close() {
      if (closed) return
      closed = true
      await handle.close()
    },
  }
}

async function fill(
  bytes: Uint8Array,
  { handle, offset, name }: { handle: FileHandle; offset: number; name: string },
): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(chunk, bytes.length - done), offset + done)
    if (bytesRead === 0) throw new ModelFormatError(`${name} ends at ${offset + done}: it was cut while it was read`)
    done += bytesRead
  }
}

function allocate(length: number, name: string): Uint8Array {
  try {
    return new Uint8Array(length)
  } catch (cause) {
    throw new OutOfMemoryError(`cannot take ${length} bytes of memory to read ${name}`, { cause })
  }
}

/** What is at a path, links followed; `undefined` where nothing is. */
async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}

function contains(folder: string, target: string): boolean {
  const path = relative(folder, target)
  return path !== '' && path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path)
}

/** The Hugging Face cache entry that a snapshot folder belongs to. */
function cacheOf(folder: string): { folder: string; name: string } | undefined {
  const snapshots = dirname(folder)
  const entry = dirname(snapshots)
  const name = /^models--.*--(.+)$/.exec(basename(entry))?.[1]
  return basename(snapshots) === 'snapshots' && name !== undefined ? { folder: entry, name } : undefined
}

function modelName(folder: string, file: string | undefined): string {
  const stem = file === undefined ? '' : basename(file, extname(file))
  // model.safetensors, model.safetensors.index.json, model.json and weights_manifest.json are named after their folder.
  return stem === '' || /^(model(\.|$)|weights_manifest$)/.test(stem)
    ? (cacheOf(folder)?.name ?? basename(folder))
    : stem
}

function missing(path: string): string {
  const isHubName = /^[\w.-]+\/[\w.-]+$/.test(path) && !path.startsWith('.')
  const hint = isHubName
    ? '. This version does not download from the Hugging Face hub: download the model and give the path of its folder'
    : ''
  return `there is no file or folder ${JSON.stringify(path)}${hint}`
}
