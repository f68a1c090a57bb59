// What a repository on the hub holds at a revision: the commit, and its files with sizes and hashes. @huggingface/hub
// knows the routes; requests, and what is believed of the answers, are ours.

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { DownloadError, ModelFormatError } from '../../engine/errors.ts'
import { isFileName } from '../load/files.ts'
import { quote } from '../load/json.ts'
import type { HubClient } from './client.ts'

export interface HubFile {
  /** `/` between its parts. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** The name of its blob in the cache: the hash of its content, in hexadecimal digits. */
  readonly hash: string
  /** What the hash is: `sha256` of large files, git's `sha1` of a blob of small ones. */
  readonly algorithm: 'sha256' | 'git-sha1'
}

export interface HubListing {
  /** Forty hexadecimal digits. */
  readonly commit: string
  /** Without those whose names not every system can have, or that lead out of the repository: nothing brings them. */
  readonly files: ReadonlyMap<string, HubFile>
}

/** Bytes of one answer, and answers and files of one listing: far above any model's. */
const largestAnswer = 64e6
const mostAnswers = 500
const mostFiles = 100_000

export interface ListingOptions {
  readonly client: HubClient
  readonly endpoint: string
  readonly repository: string
  readonly revision: string
}

/**
 * Lists a repository. Throws `NotFoundError` for one that is not there, {@link DownloadError}, and
 * {@link ModelFormatError} for an answer that makes no sense.
 */
export async function listRepository({ client, endpoint, repository, revision }: ListingOptions): Promise<HubListing> {
  const { modelInfo, listFiles } = await loadHubPackage()
  const where = `the listing of ${repository}`
  const common = { hubUrl: endpoint, fetch: boundedFetch(client) }
  const { sha: commit } = await understood(where, () =>
    modelInfo({ ...common, name: repository, revision, additionalFields: ['sha'] }),
  )
  if (!isHex(commit, 40)) throw new ModelFormatError(`${where} has the commit ${quote(commit)}; expected 40 hex digits`)
  const files = new Map<string, HubFile>()
  await understood(where, async () => {
    const repo = { type: 'model', name: repository } as const
    for await (const entry of listFiles({ ...common, repo, revision: commit, recursive: true })) {
      checkPath(entry.path, where)
      if (entry.type === 'file' && isFileName(entry.path)) files.set(entry.path, checkedFile(entry, where))
      if (files.size > mostFiles) throw new ModelFormatError(`${where} has more than ${mostFiles} files`)
    }
  })
  return { commit, files }
}

type HubPackage = Pick<typeof import('@huggingface/hub'), 'modelInfo' | 'listFiles'>

/** From the folder of the user's project, so that a command run by npx finds it too, or from beside this package. */
async function loadHubPackage(): Promise<HubPackage> {
  const name = '@huggingface/hub'
  for (const from of [pathToFileURL(join(process.cwd(), 'any.js')), import.meta.url]) {
    let path: string
    try {
      path = createRequire(from).resolve(name)
    } catch {
      continue
    }
    return (await import(pathToFileURL(path).href)) as HubPackage // a module found at run time has no types
  }
  throw new DownloadError(
    `pulling needs the package ${name}, which is not installed: run "npm install ${name}" (models that are there load without it)`,
  )
}

/** `fetch` for the package: with the client's care, and answers of a size that fits into memory. */
function boundedFetch(client: HubClient): typeof fetch {
  const what = 'the listing'
  let answers = 0
  return (input, init) => {
    if (++answers > mostAnswers) throw new ModelFormatError(`${what} has more than ${mostAnswers} parts`)
    return client.request({
      url: String(input),
      what,
      headers: () => Object.fromEntries(new Headers(init?.headers)),
      async use({ status, headers }, chunks) {
        const parts: Uint8Array[] = []
        let size = 0
        for await (const chunk of chunks) {
          size += chunk.length
          if (size > largestAnswer) throw new ModelFormatError(`${what} has more than ${largestAnswer} bytes`)
          parts.push(chunk)
        }
        return new Response(Buffer.concat(parts), { status, headers })
      },
    })
  }
}

/** Runs the package's code; what it does not understand is an answer that makes no sense. */
async function understood<T>(where: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    if (!(cause instanceof TypeError || cause instanceof SyntaxError || cause instanceof RangeError)) throw cause
    throw new ModelFormatError(`${where} is not what a hub answers (${cause.message}); is HF_ENDPOINT right?`, {
      cause,
    })
  }
}

/** The types are what the package hopes for, not what came. */
function checkPath(path: unknown, where: string): asserts path is string {
  if (typeof path !== 'string') throw new ModelFormatError(`${where} names the file ${quote(path)}; expected a text`)
}

interface Entry {
  readonly path: string
  readonly size?: unknown
  readonly oid?: unknown
  readonly lfs?: { readonly oid?: unknown; readonly size?: unknown } | undefined
}

function checkedFile({ path, size, oid, lfs }: Entry, where: string): HubFile {
  const [bytes, hash, digits] = lfs ? [lfs.size, lfs.oid, 64] : [size, oid, 40]
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0) {
    throw new ModelFormatError(`${where} has a size of ${quote(bytes)} for ${quote(path)}; expected a whole number`)
  }
  if (!isHex(hash, digits)) {
    throw new ModelFormatError(`${where} has the hash ${quote(hash)} for ${quote(path)}; expected ${digits} hex digits`)
  }
  return { path, size: bytes, hash, algorithm: lfs ? 'sha256' : 'git-sha1' }
}

function isHex(value: unknown, digits: number): value is string {
  return typeof value === 'string' && value.length === digits && /^[0-9a-f]+$/.test(value)
}
