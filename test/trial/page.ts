// Builds the page of a trial as a project that has Drafthorse installed would, and serves it with the repository's models.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, normalize, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'vite'
import { nodeFiles } from '../engine/tfjs/files-node.ts'
import { peers } from '../engine/tfjs/peers.ts'

export interface Page {
  /** Of the server, without a slash at its end. */
  readonly address: string
  close(): Promise<void>
}

/** What the page may fetch of the repository. */
const served = /^(models\/stories|test\/oracles\/hf)\/[\w./-]*$/

const types: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', json: 'application/json' }

/** TensorFlow.js comes from test/peers; a module of Node in the page is an error. */
const resolution: Plugin = {
  name: 'peers',
  enforce: 'pre',
  resolveId(id, importer) {
    if (id.startsWith('node:')) throw new Error(`${importer} imports ${id}, which no browser has`)
    return id.startsWith('@tensorflow/') ? this.resolve(id, join(peers, 'package.json'), { skipSelf: true }) : undefined
  },
}

export async function openPage(): Promise<Page> {
  const folder = await mkdtemp(join(tmpdir(), 'drafthorse-page-'))
  await build({
    configFile: false,
    root: fileURLToPath(new URL('.', import.meta.url)),
    logLevel: 'error',
    plugins: [resolution],
    build: {
      outDir: folder,
      emptyOutDir: true,
      target: 'esnext',
      minify: false,
      rolldownOptions: { input: fileURLToPath(new URL('page.html', import.meta.url)) },
    },
  })
  const server = createServer(async ({ url = '/' }, response) => {
    const path = decodeURIComponent(new URL(url, 'http://localhost').pathname).slice(1)
    try {
      const body = await content(folder, path)
      response.setHeader('content-type', types[path.split('.').at(-1)!] ?? 'application/octet-stream')
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
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function content(folder: string, path: string): Promise<Uint8Array | string> {
  const own = path.startsWith('repository/') ? path.slice('repository/'.length) : undefined
  if (normalize(path).split(sep).includes('..')) throw new Error(`${path} is not served`)
  if (own === undefined) return readFile(join(folder, path))
  if (!served.test(own)) throw new Error(`${own} is not served`)
  return own.endsWith('/') ? JSON.stringify(await nodeFiles.list(own)) : nodeFiles.read(own)
}
