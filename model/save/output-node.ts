// A folder or a file on disk, for Node: written under a name of its own beside the output, and moved there when all is done.

import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ArgumentError, NotFoundError } from '../../engine/errors.ts'
import { embeddedName } from '../load/embedded.ts'
import type { ModelFiles } from '../load/files.ts'
import type { ModelSink } from './sink.ts'

export interface OutputOptions {
  readonly kind: 'file' | 'folder'
  /** Whether a file, or a folder with a model, is replaced. */
  readonly force: boolean
  /** What is read meanwhile, and must not be overwritten. */
  readonly source: string | URL | ModelFiles
}

/**
 * Begins an output. Throws {@link ArgumentError} for one that stands there already and may not be replaced, and
 * {@link NotFoundError} where the folder around it is missing.
 */
export async function openOutput(path: string | URL, { kind, force, source }: OutputOptions): Promise<ModelSink> {
  const given = typeof path === 'string' ? path : fileURLToPath(path)
  if (given === '' || given.includes('\0')) throw new ArgumentError(`cannot write to ${JSON.stringify(given)}`)
  const target = resolve(given)
  const parent = dirname(target)
  if ((await kindOf(parent)) !== 'folder') throw new NotFoundError(`there is no folder ${parent} to write to`)
  await checkTarget(target, { kind, force, given })
  if (typeof source === 'string' || source instanceof URL) await checkApart(target, source)

  const draft = join(parent, `.${basename(target)}.${randomBytes(4).toString('hex')}.partial`)
  await mkdir(draft)
  const handles = new Set<FileHandle>()
  let only: string | undefined
  return {
    name: kind === 'file' ? basename(target, extname(target)) : basename(target),
    async create(file) {
      only = join(draft, file)
      const handle = await open(only, 'wx')
      handles.add(handle)
      return {
        async write(bytes) {
          for (let done = 0; done < bytes.length; ) {
            const { bytesWritten } = await handle.write(bytes, done)
            done += bytesWritten
          }
        },
        async close() {
          handles.delete(handle)
          await handle.close()
        },
      }
    },
    async finish() {
      if (kind === 'folder') return replaceFolder(target, draft)
      await rename(only!, target)
      await rm(draft, { recursive: true })
    },
    async discard() {
      for (const handle of handles) await handle.close().catch(() => {})
      await rm(draft, { recursive: true, force: true }).catch(() => {})
    },
  }
}

async function kindOf(path: string): Promise<'file' | 'folder' | undefined> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file'
  } catch {
    return undefined
  }
}

async function checkTarget(
  target: string,
  { kind, force, given }: { kind: 'file' | 'folder'; force: boolean; given: string },
): Promise<void> {
  const there = await kindOf(target)
  if (there === undefined) return
  if (there !== kind) throw new ArgumentError(`${given} is a ${there}; this format is written to a ${kind}`)
  const held = kind === 'folder' ? await readdir(target) : undefined
  if (held?.length === 0) return
  if (!force) throw new ArgumentError(`${given} is there already; --force (in code, force: true) replaces it`)
  if (held && !held.includes('config.json')) {
    throw new ArgumentError(`${given} holds no model (no config.json), and is not replaced: choose another folder`)
  }
}

/** Throws where the output would take the place of what is read. */
async function checkApart(target: string, source: string | URL): Promise<void> {
  if (source === embeddedName) return
  const path = typeof source === 'string' ? source : fileURLToPath(source)
  const from = await realpath(path).catch(() => undefined) // a name of the hub, or something missing
  const to = await realpath(target).catch(() => target)
  if (from === undefined) return
  const way = relative(to, from)
  const isInside = way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
  if (isInside) throw new ArgumentError(`${path} is what is read; choose another place to write to`)
}

/** The old folder is there until the new one is. */
async function replaceFolder(target: string, draft: string): Promise<void> {
  if ((await kindOf(target)) === undefined) return rename(draft, target)
  const old = `${draft}.old`
  await rename(target, old)
  try {
    await rename(draft, target)
  } catch (error) {
    await rename(old, target)
    throw error
  }
  await rm(old, { recursive: true })
}
