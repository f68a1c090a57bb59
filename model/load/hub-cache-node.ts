// The Hugging Face cache: where huggingface_hub and pull keep a repository, and where loading finds it. Per repository
// `models--OWNER--NAME/` with `blobs/HASH` (contents), `refs/REVISION` (a commit) and `snapshots/COMMIT/PATH` (links).

import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { NotFoundError } from '../../engine/errors.ts'
import { formatHubName, type HubName, parseHubName } from './hub-name.ts'
import { type HubSettings, hubSettings } from './hub-settings-node.ts'
import { quote } from './json.ts'
import { isErrorCode } from './system-error-node.ts'

export const mainRevision = 'main'

/** The folder of a repository. */
export function entryFolder({ cache }: HubSettings, { repository }: HubName): string {
  return join(cache, `models--${repository.replace('/', '--')}`)
}

/** The folder of a commit's files. */
export function snapshotFolder(entry: string, commit: string): string {
  return join(entry, 'snapshots', commit)
}

/** Files that hold weights, or name those that do; also of formats that loading has advice for. */
const weights = /^(model\.safetensors|model\.json|weights_manifest\.json|pytorch_model\.bin)(\.index\.json)?$/

/**
 * The folder or file that a hub name means in the cache, at the revision main; `undefined` for a text that is no hub
 * name. Throws {@link NotFoundError} for what is not there, saying what would bring it.
 */
export async function findInCache(text: string, settings: HubSettings = hubSettings()): Promise<string | undefined> {
  const name = parseHubName(text)
  if (!name) return undefined
  const entry = entryFolder(settings, name)
  const commit = await readRef(entry, mainRevision)
  const snapshot = commit === undefined ? undefined : snapshotFolder(entry, commit)
  const there = snapshot === undefined ? [] : await readFolder(snapshot)
  const { file } = name
  const isModel = there.includes('config.json') && there.some((path) => weights.test(path))
  if (snapshot !== undefined && file === undefined && isModel) return snapshot
  if (snapshot !== undefined && file !== undefined && there.includes(file)) return join(snapshot, ...file.split('/'))
  throw new NotFoundError(await missing(name, { entry, there, settings }))
}

async function missing(
  name: HubName,
  { entry, there, settings }: { entry: string; there: readonly string[]; settings: HubSettings },
): Promise<string> {
  const text = formatHubName(name)
  const partly = name.file === undefined && there.includes('config.json')
  const start = partly
    ? `${quote(text)} is in the Hugging Face cache (${settings.cache}) without its weights`
    : `${quote(text)} is neither a path nor in the Hugging Face cache (${settings.cache})`
  const bring = settings.offline
    ? `HF_HUB_OFFLINE is set; without it "drafthorse pull ${text}" would bring it`
    : `bring it by "drafthorse pull ${text}"`
  const gguf = there.filter((path) => /\.gguf$/i.test(path)).map((path) => quote(`${name.repository}:${path}`))
  if (gguf.length > 0) return `${start}. Of ${name.repository} there is ${gguf.join(', ')}: give that name, or ${bring}`
  const others = await readFolder(join(entry, 'snapshots'), { deep: false })
  const known =
    there.length === 0 && others.length > 0
      ? `. Other revisions are there, and load by the path of their folder: ${others.map((commit) => snapshotFolder(entry, commit)).join(', ')}. Or `
      : '; '
  return `${start}${known}${bring}`
}

/** The commit that a branch or tag had when it was pulled; `undefined` where it was not. */
async function readRef(entry: string, revision: string): Promise<string | undefined> {
  try {
    const commit = (await readFile(join(entry, 'refs', revision), 'utf8')).trim()
    return /^[0-9a-f]{40}$/.test(commit) ? commit : undefined
  } catch (error) {
    if (isErrorCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

/** The paths in a folder, `/` between their parts; none for a folder that is not there. */
async function readFolder(folder: string, { deep = true }: { readonly deep?: boolean } = {}): Promise<string[]> {
  try {
    const paths = await readdir(folder, { recursive: deep })
    return paths.map((path) => path.split(sep).join('/')).toSorted()
  } catch (error) {
    if (isErrorCode(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}

/** The entry of a cache that a folder belongs to. */
export interface CacheEntry {
  readonly folder: string
  /** The repository's name, without its owner. */
  readonly name: string
}

/** The entry whose snapshot a folder is, or lies in; `undefined` for a folder outside of a cache. */
export function cacheEntryOf(folder: string): CacheEntry | undefined {
  for (let snapshot = folder; dirname(snapshot) !== snapshot; snapshot = dirname(snapshot)) {
    const snapshots = dirname(snapshot)
    const entry = dirname(snapshots)
    const name = /^models--.*--(.+)$/.exec(basename(entry))?.[1]
    if (basename(snapshots) === 'snapshots' && name !== undefined) return { folder: entry, name }
  }
  return undefined
}

/**
 * Whether a path is in the store that huggingface_hub 2 keeps beside a cache's entries, to have contents of several
 * repositories once: `blobs/XX/HASH` of sixty-four hexadecimal digits, where a file marks the folder as such.
 */
export async function isSharedBlob({ folder }: CacheEntry, target: string): Promise<boolean> {
  const store = join(dirname(folder), 'blobs')
  const path = relative(store, target).split(sep).join('/')
  if (!/^([0-9a-f]{2})\/\1[0-9a-f]{62}$/.test(path)) return false
  return (await readFolder(store, { deep: false })).includes('.huggingface-shared-blobs')
}
