// Serves what a page is made of to a browser on this machine.

import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, normalize, sep } from 'node:path'

const types: Readonly<Record<string, string>> = {
  html: 'text/html',
  js: 'text/javascript',
  mjs: 'text/javascript',
  json: 'application/json',
  css: 'text/css',
  wasm: 'application/wasm',
}

/** Headers with which a page may share memory with its workers. */
export const isolation: Readonly<Record<string, string>> = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

export interface Site {
  /** Without a slash at its end. */
  readonly address: string
  close(): Promise<void>
}

/** Serves what `content` gives for a path, and 404 where it throws. A path has no slash at its beginning, and no `..`. */
export async function serve(
  content: (path: string) => Promise<Uint8Array | string>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Site> {
  const server = createServer(async ({ url = '/' }, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    try {
      const path = decodeURIComponent(new URL(url, 'http://localhost').pathname).slice(1) || 'index.html'
      if (normalize(path).split(sep).includes('..')) throw new Error(`${path} is not served`)
      const body = await content(path)
      response.setHeader('content-type', types[path.split('.').at(-1)!] ?? 'application/octet-stream')
      response.setHeader('content-length', Buffer.byteLength(body))
      response.end(body)
    } catch (error) {
      response.statusCode = 404
      response.end(String(error))
    }
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on a port, not on a pipe
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => void server.close(resolve))
    },
  }
}

/** The file at a path of a folder, as `content` for {@link serve}. */
export function fromFolder(folder: string): (path: string) => Promise<Uint8Array> {
  return (path) => readFile(join(folder, path))
}
