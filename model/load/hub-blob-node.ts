// One file's content, from the hub into the blobs of a cache: resumed where an earlier pull ended, held to size and hash,
// and under its final name only when it is whole.

import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, open, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AbortError, ModelFormatError } from '../../engine/errors.ts'
import type { HubClient } from './hub-client.ts'
import { TransientError } from './hub-errors.ts'
import type { HubFile } from './hub-listing-node.ts'
import { claimPartial, leavePartial, removeLeftovers } from './hub-partial-node.ts'
import { quote } from './json.ts'
import { isErrorCode } from './system-error-node.ts'

export interface BlobOptions {
  readonly client: HubClient
  /** The folder. */
  readonly blobs: string
  readonly url: string
  readonly signal: AbortSignal | undefined
  /** Told of how many bytes are there, those of earlier pulls included. */
  readonly onBytes: (bytes: number) => void
}

/** Where a file's content is; whole if it is there, since it gets this name last. */
export function blobPath(blobs: string, { hash }: HubFile): string {
  return join(blobs, hash)
}

export async function hasBlob(blobs: string, file: HubFile): Promise<boolean> {
  try {
    const status = await stat(blobPath(blobs, file))
    return status.isFile() && status.size === file.size
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return false
    throw error
  }
}

/**
 * Brings a file's content, unless it is there. Throws {@link ModelFormatError} for content that is not what the listing
 * promised, `DownloadError` and {@link AbortError}, which keeps what came for the next pull.
 */
export async function fetchBlob(file: HubFile, options: BlobOptions): Promise<void> {
  const { blobs, onBytes } = options
  if (await hasBlob(blobs, file)) return onBytes(file.size)
  const partial = await claimPartial(blobs, file.hash)
  try {
    await fill(partial, file, options)
    await settle(partial, file, blobs)
  } catch (error) {
    await leavePartial(partial, { blobs, hash: file.hash })
    throw error
  }
  await removeLeftovers(blobs, file.hash)
}

/** Fills a file with content of the right hash, from the start again where what was left of it proves wrong. */
async function fill(partial: string, file: HubFile, options: BlobOptions): Promise<void> {
  const handle = await open(partial, 'r+')
  try {
    const received = createReceived(handle, file)
    await received.readBack(options.signal)
    const resumed = received.bytes > 0
    await receive(received, file, options)
    if (resumed && received.digest() !== file.hash) {
      await received.restart()
      await receive(received, file, options)
    }
    const digest = received.digest()
    if (digest !== file.hash) {
      throw new ModelFormatError(
        `${quote(file.path)} came with the ${file.algorithm} ${digest}; the listing has ${file.hash}. It is not kept: pull again, and if that does not help, the server or the way to it changes files`,
      )
    }
    await handle.sync()
  } catch (error) {
    if (error instanceof ModelFormatError) await handle.truncate(0)
    throw error
  } finally {
    await handle.close()
  }
}

/** Asks for the bytes that are missing, until all are there. */
async function receive(received: Received, file: HubFile, { client, url, onBytes }: BlobOptions): Promise<void> {
  let furthest = received.bytes
  onBytes(received.bytes)
  if (received.bytes === file.size) return
  await client.request({
    url,
    what: quote(file.path),
    headers: (): Record<string, string> => (received.bytes > 0 ? { range: `bytes=${received.bytes}-` } : {}),
    progress: () => furthest,
    async use(response, chunks) {
      if (response.status === 206) checkContentRange(response, received.bytes, file)
      else if (received.bytes > 0) await received.restart() // the server takes no ranges
      for await (const chunk of chunks) {
        if (received.bytes + chunk.length > file.size) {
          throw new ModelFormatError(`${quote(file.path)} has more bytes than the ${file.size} of the listing`)
        }
        await received.append(chunk)
        furthest = Math.max(furthest, received.bytes)
        onBytes(received.bytes)
      }
      if (received.bytes < file.size) {
        throw new TransientError(
          `${file.path}: only ${received.bytes} of ${file.size} bytes came; what has come is kept`,
        )
      }
    },
  })
}

function checkContentRange(response: Response, from: number, { path, size }: HubFile): void {
  const range = response.headers.get('content-range') ?? ''
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(range) ?? []
  if (Number(first) !== from || Number(total) !== size) {
    throw new ModelFormatError(
      `${quote(path)}: the server sent the range ${quote(range)}; expected bytes from ${from} of ${size}`,
    )
  }
}

/** A file on its way, and the hash over what is in it. */
interface Received {
  readonly bytes: number
  append(chunk: Uint8Array): Promise<void>
  /** Empties it. */
  restart(): Promise<void>
  /** Takes in what an earlier pull left, unless that is longer than the whole. Throws {@link AbortError}. */
  readBack(signal: AbortSignal | undefined): Promise<void>
  digest(): string
}

function createReceived(handle: FileHandle, { size, algorithm }: HubFile): Received {
  let bytes = 0
  let hash = newHash()

  function newHash(): Hash {
    // Git hashes a header before the content.
    return algorithm === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)
  }
  async function restart(): Promise<void> {
    await handle.truncate(0)
    bytes = 0
    hash = newHash()
  }
  return {
    get bytes() {
      return bytes
    },
    restart,
    async append(chunk) {
      for (let done = 0; done < chunk.length; ) {
        done += (await handle.write(chunk, done, chunk.length - done, bytes + done)).bytesWritten
      }
      hash.update(chunk)
      bytes += chunk.length
    },
    async readBack(signal) {
      if ((await handle.stat()).size > size) return restart()
      const buffer = new Uint8Array(2 ** 20)
      for (;;) {
        if (signal?.aborted) throw new AbortError('the pull was aborted', { cause: signal.reason })
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, bytes)
        if (bytesRead === 0) return
        hash.update(buffer.subarray(0, bytesRead))
        bytes += bytesRead
      }
    },
    digest: () => hash.copy().digest('hex'),
  }
}

/** Gives a whole file its final name. */
async function settle(partial: string, file: HubFile, blobs: string): Promise<void> {
  try {
    await rename(partial, blobPath(blobs, file))
  } catch (error) {
    // Another pull was quicker, and Windows lets nobody replace a file that is open.
    if (!(await hasBlob(blobs, file))) throw error
  }
}
