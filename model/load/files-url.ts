// A model's files by their address: fetched piece by piece as they are read, so that a page need not hold them twice.

import { AbortError, DownloadError } from '../../engine/errors.ts'
import { type ByteSource, checkFileName, checkRange, type ModelFiles, memorySource } from './files.ts'

export interface UrlFilesOptions {
  /** Ends what is being fetched. */
  readonly signal?: AbortSignal | undefined
  /** Told of all bytes that came so far, after each piece. */
  readonly onFetch?: ((bytes: number) => void) | undefined
}

/** Bytes of a piece, and of the pieces that are kept: tensors that follow each other in a file share pieces. */
const pieceBytes = 4 * 2 ** 20
const keptBytes = 16 * pieceBytes

/**
 * The files of a model at an address: of a folder, or of one file (model.json, `.gguf`, `.bin`, `.safetensors`) in its folder.
 * Servers that know ranges are asked for pieces of 4 MiB, others for whole files. Of pieces some 64 MiB are kept;
 * whole files all, as long as the `ModelFiles` are, since reading them in parts must not fetch them again. A page (HTML) in
 * the place of a file counts as none, and so does one that is refused (403): that is what stores answer for what they lack
 * to whoever may not list it. The query of the address goes with every request. Reading throws {@link DownloadError} for what does not come, and {@link AbortError}.
 */
export function urlFiles(address: string | URL, { signal, onFetch }: UrlFilesOptions = {}): ModelFiles {
  const { folder, file, search } = placeOf(new URL(address))
  const found = new Map<string, ByteSource>()
  const refused = new Set<string>()
  const pieces = new Map<string, Uint8Array>()
  let fetched = 0

  async function ask(path: string, range?: { from: number; to: number }): Promise<Response> {
    const url = new URL(path.split('/').map(encodeURIComponent).join('/'), folder)
    url.search = search
    const headers: Record<string, string> = range ? { range: `bytes=${range.from}-${range.to - 1}` } : {}
    try {
      return await fetch(url, { headers, signal: signal ?? null })
    } catch (cause) {
      throw failure(path, cause)
    }
  }

  async function body(path: string, response: Response): Promise<Uint8Array> {
    if (!response.ok) throw failure(path, `the server answered ${response.status}`)
    try {
      const bytes = new Uint8Array(await response.arrayBuffer())
      fetched += bytes.length
      onFetch?.(fetched)
      return bytes
    } catch (cause) {
      throw failure(path, cause)
    }
  }

  function failure(path: string, cause: unknown): Error {
    if (signal?.aborted) return new AbortError(`fetching ${path} was aborted`, { cause: signal.reason })
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new DownloadError(`${path} could not be fetched from ${folder.href}: ${reason}`, { cause })
  }

  /** Keeps a piece as the latest, and lets the oldest go. */
  function keep(key: string, bytes: Uint8Array): void {
    pieces.delete(key)
    pieces.set(key, bytes)
    let total = 0
    for (const { length } of pieces.values()) total += length
    for (const [oldest, { length }] of pieces) {
      if (total <= keptBytes || oldest === key) return
      pieces.delete(oldest)
      total -= length
    }
  }

  /** Finds out what is at a path, and keeps its first piece, or all where it comes whole; `undefined` where nothing is. */
  async function look(path: string): Promise<ByteSource | undefined> {
    let response = await ask(path, { from: 0, to: pieceBytes })
    const { status, headers } = response
    const isPage = /^text\/html\b/i.test(headers.get('content-type') ?? '')
    if (status === 403) refused.add(path)
    if (status === 403 || status === 404 || status === 410 || isPage) {
      await response.body?.cancel()
      return undefined
    }
    if (status === 416) return memorySource(path, new Uint8Array()) // an empty file has no first byte
    const size = sizeOf(response)
    if (status === 206 && size === undefined) {
      // Its size is not for this page to see: another origin would have to allow that.
      await response.body?.cancel()
      response = await ask(path)
    }
    const bytes = await body(path, response)
    if (size === undefined) return memorySource(path, bytes)
    keep(`${path} 0`, bytes)
    return pieceSource(path, size)
  }

  /** A file of which the server gives ranges. */
  function pieceSource(path: string, size: number): ByteSource {
    return {
      name: path,
      size,
      async read(offset, length) {
        checkRange({ name: path, size }, { offset, length })
        const out = new Uint8Array(length)
        for (let done = 0; done < length; ) {
          const at = offset + done
          const index = Math.floor(at / pieceBytes)
          const start = at - index * pieceBytes
          const part = (await piece(path, index, size)).subarray(start, start + length - done)
          out.set(part, done)
          done += part.length
        }
        return out
      },
      async close() {},
    }
  }

  async function piece(path: string, index: number, size: number): Promise<Uint8Array> {
    const key = `${path} ${index}`
    let bytes = pieces.get(key)
    if (!bytes) {
      const from = index * pieceBytes
      const to = Math.min(from + pieceBytes, size)
      bytes = await body(path, await ask(path, { from, to }))
      if (bytes.length !== to - from) {
        throw failure(path, `${bytes.length} bytes came of a piece of ${to - from}; it changed, or was cut`)
      }
    }
    keep(key, bytes)
    return bytes
  }

  return {
    name: nameOf(folder, file),
    file,
    isDistant: true,
    async open(path): Promise<ByteSource | undefined> {
      checkFileName(path, folder.href)
      const source = found.get(path) ?? (await look(path))
      if (source) found.set(path, source)
      return source
    },
    whyNone: (path) => (refused.has(path) ? 'the server answered 403' : undefined),
  }
}

/** The folder of an address, with a slash at its end, the file that it names, if it names one, and its query. */
function placeOf(address: URL): { folder: URL; file: string | undefined; search: string } {
  const { search } = address
  const last = decodeURIComponent(address.pathname.split('/').at(-1)!)
  if (/\.(json|gguf|bin|safetensors)$/i.test(last)) return { folder: new URL('.', address), file: last, search }
  const folder = new URL(address)
  folder.search = folder.hash = '' // messages name the folder; a signature is not for them
  folder.pathname = folder.pathname.replace(/\/?$/, '/')
  return { folder, file: undefined, search }
}

/** Of the whole file, by the answer to a range; `undefined` where that is not said, or where the bytes are compressed ones. */
function sizeOf({ status, headers }: Response): number | undefined {
  const total = /^bytes 0-\d+\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1]
  return status !== 206 || total === undefined || headers.has('content-encoding') ? undefined : Number(total)
}

function nameOf(folder: URL, file: string | undefined): string {
  const parent = decodeURIComponent(folder.pathname.split('/').at(-2) ?? '') || folder.host
  return file === undefined || /^(model(\.|$)|weights_manifest\.)/.test(file) ? parent : file.replace(/\.[^.]*$/, '')
}
