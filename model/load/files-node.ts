// A model's files on disk, for Node. Chosen by the package's "#files" import; files-browser.ts is its counterpart.

import type { Stats } from 'node:fs'
import { type FileHandle, open, realpath, stat } from 'node:fs/promises'
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DisposedError, ModelFormatError, NotFoundError, OutOfMemoryError } from '../../engine/errors.ts'
import { cacheEntryOf, findInCache, isSharedBlob } from '../hub/cache-node.ts'
import { embeddedName } from './embedded.ts'
import { type ByteSource, checkFileName, checkRange, type ModelFiles } from './files.ts'
import { quote } from './json.ts'

export { openOutput } from '../save/output-node.ts'

/** Bytes asked of the system at a time; one call may return no more than 2 GiB. */
const chunk = 2 ** 30

/**
 * The files of a model on disk: its folder, or its one file; where there is neither, what a hub name (`owner/name`,
 * `owner/name:file`) means in the Hugging Face cache. A file in the folder may be a symbolic link, but only to a place
 * inside the folder, or, in a cache (`models--owner--name/snapshots/revision`), to where it keeps the contents. A path that
 * the caller gave is followed anywhere, and may be a URL, or the text of one, of `file:`. Asks no server. Throws
 * {@link NotFoundError}.
 */
export async function openFiles(path: string | URL): Promise<ModelFiles> {
  const given = pathOf(path)
  const isPath = given !== '' && !given.includes('\0')
  const direct = isPath ? await statOf(resolve(given)) : undefined
  const full = direct ? resolve(given) : await findInCache(given)
  const kind = direct ?? (full === undefined ? undefined : await statOf(full))
  if (full === undefined || !kind) throw new NotFoundError(`there is no file or folder ${quote(given)}`)
  if (kind.isDirectory()) return folderFiles(full, undefined)
  if (kind.isFile()) return folderFiles(dirname(full), basename(full))
  throw new ModelFormatError(`${given} is neither a file nor a folder`)
}

function pathOf(given: string | URL): string {
  const text = String(given)
  if (typeof given === 'string' && !/^(https?:|file:\/)/i.test(text)) return text
  if (!/^file:/i.test(text)) {
    throw new NotFoundError(
      `${quote(text)} is an address, and Node loads models from disk: bring one of the hub by "drafthorse pull OWNER/NAME" and give its name, or pass urlFiles(address) of drafthorse/model to loadModel`,
    )
  }
  try {
    return fileURLToPath(text)
  } catch (cause) {
    throw new NotFoundError(`${quote(text)} names no file: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    })
  }
}

/** The files of the embedded model: the folder models/stories of the package, wherever it is installed. */
export function openEmbedded(): Promise<ModelFiles> {
  // This file runs from dist/model/load, or, in the package's own tests, as the source in model/load.
  const root = import.meta.url.endsWith('.ts') ? '../../' : '../../../'
  return openFiles(new URL(`${root}models/${embeddedName}/`, import.meta.url))
}

async function folderFiles(folder: string, file: string | undefined): Promise<ModelFiles> {
  const root = await realpath(folder)
  const entry = cacheEntryOf(root)
  const allowed = entry?.folder ?? root
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
      const inside = path === file || contains(allowed, target) || (entry && (await isSharedBlob(entry, target)))
      if (!inside) {
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

function modelName(folder: string, file: string | undefined): string {
  const stem = file === undefined ? '' : basename(file, extname(file))
  // model.safetensors, model.safetensors.index.json, model.json and weights_manifest.json are named after their folder.
  return stem === '' || /^(model(\.|$)|weights_manifest$)/.test(stem)
    ? (cacheEntryOf(folder)?.name ?? basename(folder))
    : stem
}
