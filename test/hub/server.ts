// A hub on this machine, for tests: the few routes that pulling uses, a second server as the place that large files are
// redirected to, and whatever faults a test wants. Answers are made as the hub documents them, not by the code under test.

import { createHash } from 'node:crypto'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Repository {
  /** Forty hexadecimal digits. */
  commit: string
  files: Record<string, Buffer>
}

export interface Seen {
  readonly at: 'hub' | 'store'
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

export interface FakeHub {
  readonly endpoint: string
  /** The origin of the store that large files are redirected to. */
  readonly store: string
  readonly repositories: Map<string, Repository>
  /** Every request, in order. */
  readonly seen: Seen[]
  /** Where set, the only token that is let in. */
  token: string | undefined
  /** Files of a listing's part. */
  pageSize: number
  /** The store takes ranges. */
  ranges: boolean
  /** Bodies of the store end by a cut connection after so many bytes, one request a number. */
  cuts: number[]
  /** Answers in place of the servers where it gives true. */
  intercept: ((request: Seen, response: ServerResponse) => boolean) | undefined
  /** Changes a listing's entries. */
  relist: (entries: Record<string, unknown>[]) => Record<string, unknown>[]
  /** Changes what the store sends. */
  spoil: (content: Buffer) => Buffer
  close(): Promise<void>
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

/** As `git hash-object` gives it. */
export function gitHash(content: Buffer): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')
}

/** Whether the hub keeps a file in its store: here by name, there by size as well. */
export function isLarge(path: string): boolean {
  return /\.(safetensors|gguf)$/.test(path)
}

export async function startHub(): Promise<FakeHub> {
  const hub = createServer((request, response) => answer('hub', request, response))
  const store = createServer((request, response) => answer('store', request, response))
  const fake: FakeHub = {
    endpoint: await listen(hub),
    store: await listen(store),
    repositories: new Map(),
    seen: [],
    token: undefined,
    pageSize: 1000,
    ranges: true,
    cuts: [],
    intercept: undefined,
    relist: (entries) => entries,
    spoil: (content) => content,
    async close() {
      for (const server of [hub, store]) {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    },
  }
  return fake

  function answer(at: Seen['at'], { url = '', headers }: IncomingMessage, response: ServerResponse): void {
    const seen = { at, url, headers }
    fake.seen.push(seen)
    if (fake.intercept?.(seen, response)) return
    if (at === 'store') sendContent(url, headers, response)
    else if (fake.token === undefined || headers.authorization === `Bearer ${fake.token}`) route(url, response)
    else fail(response, 401, 'RepoNotFound', 'Repository not found')
  }

  function route(url: string, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(url, fake.endpoint)
    const [, name = '', wanted = '', revision = '', path = ''] =
      /^(?:\/api\/models)?\/([^/]+\/[^/]+)\/(revision|tree|resolve)\/([^/]+)\/?(.*)$/.exec(pathname) ?? []
    const { commit, files } = fake.repositories.get(name) ?? { commit: undefined, files: {} }
    if (commit === undefined) fail(response, 404, 'RepoNotFound', 'Repository not found')
    else if (![commit, 'main', 'v1'].includes(revision)) fail(response, 404, 'RevisionNotFound', 'Invalid rev id')
    else if (wanted === 'revision') json(response, { _id: '1', id: name, sha: commit, private: false, gated: false })
    else if (wanted === 'tree') list(response, name, { commit, files, from: Number(searchParams.get('cursor')) })
    else sendFile(response.setHeader('x-repo-commit', commit), path, files[decodeURIComponent(path)])
  }

  function sendFile(response: ServerResponse, path: string, content: Buffer | undefined): void {
    if (!content) fail(response, 404, 'EntryNotFound', 'Entry not found')
    else if (isLarge(path)) {
      const hash = sha256(content)
      response.setHeader('x-linked-etag', `"${hash}"`).setHeader('x-linked-size', content.length)
      response.writeHead(302, { location: `${fake.store}/${hash}?signature=secret` }).end()
    } else response.setHeader('etag', `"${gitHash(content)}"`).end(content)
  }

  function list(
    response: ServerResponse,
    name: string,
    { commit, files, from }: { commit: string; files: Record<string, Buffer>; from: number },
  ): void {
    const entries = Object.entries(files).map(([path, content]) => {
      const entry = { type: 'file', path, size: content.length }
      return isLarge(path)
        ? { ...entry, oid: '0'.repeat(40), lfs: { oid: sha256(content), size: content.length, pointerSize: 134 } }
        : { ...entry, oid: gitHash(content) }
    })
    const all = fake.relist(entries)
    const next = from + fake.pageSize
    if (next < all.length) {
      const url = `${fake.endpoint}/api/models/${name}/tree/${commit}?recursive=true&cursor=${next}`
      response.setHeader('link', `<${url}>; rel="next"`)
    }
    json(response, all.slice(from, next))
  }

  function sendContent(url: string, { range }: IncomingHttpHeaders, response: ServerResponse): void {
    const hash = new URL(url, fake.store).pathname.slice(1)
    const contents = [...fake.repositories.values()].flatMap(({ files }) => Object.values(files))
    const whole = contents.find((content) => sha256(content) === hash)
    if (!whole) throw new Error(`a test asks for ${url}, which no repository has`)
    const content = fake.spoil(whole)
    const from = fake.ranges && range ? Number(/^bytes=(\d+)-$/.exec(range)?.[1]) : 0
    const part = content.subarray(from)
    if (from > 0) {
      response.setHeader('content-range', `bytes ${from}-${content.length - 1}/${content.length}`)
    }
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': part.length })
    const cut = fake.cuts.shift()
    if (cut === undefined) response.end(part)
    else response.write(part.subarray(0, cut), () => response.destroy())
  }
}

/** As the hub refuses. */
export function fail(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'x-error-code': code, 'x-error-message': message }).end()
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // a server on a port has an address of this form
}
