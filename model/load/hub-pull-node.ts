// Pulls a model from the Hugging Face hub into the cache that loading looks into. Contents come first, the links of the
// snapshot when all are there, and the revision last, so that a pull that was cut never hides what loaded before.

import { mkdir, readFile, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { ArgumentError, DownloadError, ModelFormatError } from '../../engine/errors.ts'
import { formatBytes } from './bytes.ts'
import { checkFileName } from './files.ts'
import { blobPath, fetchBlob, hasBlob } from './hub-blob-node.ts'
import { entryFolder, mainRevision, snapshotFolder } from './hub-cache-node.ts'
import { chooseFiles, wantedIndex } from './hub-choice.ts'
import { type ClientOptions, type Clock, createClient, systemClock } from './hub-client.ts'
import { type HubFile, type HubListing, listRepository } from './hub-listing-node.ts'
import { formatHubName, type HubName, parseHubName } from './hub-name.ts'
import { leftoverSize } from './hub-partial-node.ts'
import { type HubSettings, hubSettings, readToken } from './hub-settings-node.ts'
import { isPlaced, placeFile, writeRef } from './hub-snapshot-node.ts'
import { parseJson, quote } from './json.ts'

export interface PullProgress {
  /** The file that is coming. */
  readonly path: string
  /** Bytes that are there, those of earlier pulls included. */
  readonly bytes: number
  /** Bytes of all files. */
  readonly total: number
}

export interface PullOptions {
  /** A branch, a tag or a commit. Default main, the only one that loading finds by name. */
  readonly revision?: string | undefined
  readonly settings?: HubSettings
  readonly signal?: AbortSignal | undefined
  readonly clock?: Clock
  readonly onProgress?: (progress: PullProgress) => void
  readonly onWait?: ClientOptions['onWait']
}

export interface PulledFile extends HubFile {
  /** It was there before. */
  readonly cached: boolean
}

export interface Pulled {
  /** What loads it: the hub name at main, or else a path. */
  readonly model: string
  readonly repository: string
  readonly revision: string
  readonly commit: string
  /** The snapshot's. */
  readonly folder: string
  readonly files: readonly PulledFile[]
}

/**
 * Pulls `OWNER/NAME` or `OWNER/NAME:FILE`. Throws {@link ArgumentError} for another text, {@link DownloadError} for a
 * server out of reach, refused access and a disk too small, `NotFoundError` for what the hub does not have,
 * {@link ModelFormatError} for hostile or damaged answers, and `AbortError`.
 */
export async function pull(text: string, options: PullOptions = {}): Promise<Pulled> {
  const { revision = mainRevision, settings = hubSettings(), signal, onProgress } = options
  const name = parseHubName(text)
  if (!name) throw new ArgumentError(`${quote(text)} is not a name on the hub; expected OWNER/NAME or OWNER/NAME:FILE`)
  checkFileName(revision, 'the revision') // the cache has a file of this name
  if (settings.offline) {
    throw new DownloadError(`nothing is pulled while HF_HUB_OFFLINE is set; unset it to pull ${text}`)
  }
  const { endpoint } = settings
  const token = await readToken(settings)
  const { repository } = name
  const client = createClient({
    endpoint,
    repository,
    revision,
    token,
    clock: options.clock ?? systemClock,
    signal,
    onWait: options.onWait,
  })
  const listing = await listRepository({ client, endpoint, repository, revision })
  const entry = entryFolder(settings, name)
  const blobs = join(entry, 'blobs')
  const folder = snapshotFolder(entry, listing.commit)
  await mkdir(blobs, { recursive: true })

  const fetched = (file: HubFile, onBytes: (bytes: number) => void): Promise<void> => {
    const path = file.path.split('/').map(encodeURIComponent).join('/')
    const url = `${endpoint}/${repository}/resolve/${listing.commit}/${path}`
    return fetchBlob(file, { client, blobs, url, signal, onBytes })
  }

  const files = await choose(name, listing, { blobs, fetched })
  await checkDisk(files, { blobs, folder, copies: settings.copies })
  const total = files.reduce((sum, { size }) => sum + size, 0)
  let before = 0
  for (const file of files) {
    await fetched(file, (bytes) => onProgress?.({ path: file.path, bytes: before + bytes, total }))
    before += file.size
  }
  for (const file of files) {
    if (!(await isPlaced(file, folder))) await placeFile(file, { entry, blobs, folder, copies: settings.copies })
  }
  if (revision !== listing.commit) await writeRef(entry, { revision, commit: listing.commit })
  const model = revision === mainRevision ? formatHubName(name) : join(folder, ...(name.file ?? '').split('/'))
  return { model, repository, revision, commit: listing.commit, folder, files }
}

/** Bytes of an index: far more than any has. */
const largestIndex = 50e6

async function choose(
  name: HubName,
  { files }: HubListing,
  { blobs, fetched }: { blobs: string; fetched: (file: HubFile, onBytes: () => void) => Promise<void> },
): Promise<PulledFile[]> {
  const cachedBefore = new Map<string, boolean>()
  const index = files.get(wantedIndex(name, files) ?? '')
  let content: unknown
  if (index) {
    if (index.size > largestIndex) {
      throw new ModelFormatError(`${quote(index.path)} has ${index.size} bytes; expected at most ${largestIndex}`)
    }
    cachedBefore.set(index.path, await hasBlob(blobs, index))
    await fetched(index, () => {})
    content = parseJson(await readFile(blobPath(blobs, index)), `${index.path} of ${name.repository}`)
  }
  const chosen: PulledFile[] = []
  for (const path of chooseFiles(name, files, content)) {
    const file = files.get(path)! // only listed paths are chosen
    chosen.push({ ...file, cached: cachedBefore.get(path) ?? (await hasBlob(blobs, file)) })
  }
  return chosen
}

/** Throws {@link DownloadError} unless what is still to come fits the disk. */
async function checkDisk(
  files: readonly PulledFile[],
  { blobs, folder, copies }: { blobs: string; folder: string; copies: boolean },
): Promise<void> {
  const missing = new Map(files.filter(({ cached }) => !cached).map((file) => [file.hash, file.size]))
  let needed = 0
  for (const [hash, size] of missing) needed += Math.max(0, size - (await leftoverSize(blobs, hash)))
  for (const file of copies ? files : []) needed += (await isPlaced(file, folder)) ? 0 : file.size
  const { bavail, bsize } = await statfs(blobs)
  if (needed > bavail * bsize) {
    throw new DownloadError(
      `${formatBytes(needed)} (${needed} bytes) are still to come, but the disk of ${blobs} has ${formatBytes(bavail * bsize)} free; make room, or set HF_HOME to a folder on a larger disk`,
    )
  }
}
