// A folder or a file on disk, for Node: written under a name of its own beside the output, and moved there when all is done.

import { createHash, randomBytes } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ArgumentError, NotFoundError } from '../../engine/errors.ts'
import { embeddedName } from '../load/embedded.ts'
import type { ModelFiles } from '../load/files.ts'
import { quote } from '../load/json.ts'
import type { ModelSink } from './sink.ts'

export interface OutputOptions {
  readonly kind: 'file' | 'folder'
  /** Whether a GGUF file, or a folder with a model and nothing else, is replaced. */
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

  await removeDead(target)
  const draft = join(parent, `${draftPrefix(target)}${process.pid}.${randomBytes(4).toString('hex')}.partial`)
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
      await checkTarget(target, { kind, force, given }) // something may have come there meanwhile
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

async function kindOf(path: string): Promise<'file' | 'folder' | 'special file' | undefined> {
  try {
    const found = await stat(path)
    if (found.isDirectory()) return 'folder'
    return found.isFile() ? 'file' : 'special file'
  } catch {
    return undefined
  }
}

interface Target {
  readonly kind: 'file' | 'folder'
  readonly force: boolean
  readonly given: string
}

async function checkTarget(target: string, { kind, force, given }: Target): Promise<void> {
  const there = await kindOf(target)
  if (there === undefined) return
  if (there !== kind) throw new ArgumentError(`${given} is a ${there}; this format is written to a ${kind}`)
  const held = kind === 'folder' ? await readdir(target, { withFileTypes: true }) : undefined
  if (held?.length === 0) return
  if (!force) throw new ArgumentError(`${given} is there already; --force (in code, force: true) replaces it`)
  const lack = held ? whyNoModel(held) : await whyNoGguf(target)
  if (lack) throw new ArgumentError(`${given} ${lack}, and is not replaced: choose another ${kind}`)
}

const weightFiles = /^(.+\.safetensors|group\d+-shard\d+of\d+(\.bin)?)$/
/** What else stands in a model's folder, as tools write it and as the hub has it. */
const otherFiles = [
  /^((generation_)?config|tokenizer(_config)?|(special|added)_tokens(_map)?|vocab|skip_layers)\.json$/,
  /^(tokenizer\.model|merges\.txt|chat_template\.(jinja|json))$/,
  /^(.+\.safetensors\.index|model|weights_manifest)\.json$/,
  /^((README|LICENSE|NOTICE|USE_POLICY)(\.md|\.txt)?|\.gitattributes)$/,
]

/** Why a folder is not one that holds a model and nothing else. */
function whyNoModel(held: readonly Dirent[]): string | undefined {
  const foreign = held.find(
    (entry) => !entry.isFile() || ![weightFiles, ...otherFiles].some((pattern) => pattern.test(entry.name)),
  )
  if (foreign) return `holds ${quote(foreign.name)}, which is none of a model's files`
  if (!held.some(({ name }) => weightFiles.test(name))) return 'holds no model (no weights)'
  return undefined
}

async function whyNoGguf(path: string): Promise<string | undefined> {
  const handle = await open(path)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), { position: 0 })
    return bytesRead === 4 && buffer.toString('latin1') === 'GGUF' ? undefined : 'is no GGUF file'
  } finally {
    await handle.close()
  }
}

/** Begins the names of an output's drafts on this machine; the id of the process that writes follows. */
function draftPrefix(target: string): string {
  const machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8) // a folder may be shared by several
  return `.${basename(target)}.${machine}-`
}

/** Removes the drafts that processes left which were killed. What they had moved aside stays where nothing took its place. */
async function removeDead(target: string): Promise<void> {
  const parent = dirname(target)
  const prefix = draftPrefix(target)
  const isReplaced = (await kindOf(target)) !== undefined
  for (const name of await readdir(parent).catch(() => [])) {
    if (!name.startsWith(prefix)) continue
    const [, pid, old] = /^(\d+)\.[0-9a-f]{8}\.partial(\.old)?$/.exec(name.slice(prefix.length)) ?? []
    if (pid === undefined || isAlive(Number(pid)) || (old && !isReplaced)) continue
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => {}) // where it may not be, it stays
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
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
