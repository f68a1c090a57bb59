// Builds the page of a trial, and serves it with the repository's models.
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, normalize, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { nodeFiles } from '../engine/tfjs/files-node.ts'
import { peers } from '../engine/tfjs/peers.ts'

export interface Page {
  /** Of the server, without a slash at its end. */
  readonly address: string
  close(): Promise<void>
}

/** What the page may fetch of the repository. */
const served = /^(models\/stories|test\/oracles\/hf)\/[\w./-]*$/

/** Where the .wasm files of TensorFlow.js are. */
const wasm = join(peers, 'node_modules/@tensorflow/tfjs-backend-wasm/dist')

const types: Readonly<Record<string, string>> = {
  html: 'text/html',
  js: 'text/javascript',
  json: 'application/json',
  wasm: 'application/wasm',
}

/** Builds the page into a folder. In a process of its own, for Vite does not work with the loader that mocha's has. */
async function buildPage(folder: string): Promise<void> {
  const require = createRequire(import.meta.url)
  const vite = join(dirname(require.resolve('vite/package.json')), 'bin/vite.js')
  const config = fileURLToPath(new URL('vite.config.ts', import.meta.url))
  const flags = ['--config', config, '--outDir', folder, '--emptyOutDir', '--logLevel', 'error']
  await promisify(execFile)(process.execPath, [vite, 'build', ...flags], { timeout: 120_000 })
}

export async function openPage(): Promise<Page> {
  const folder = await mkdtemp(join(tmpdir(), 'drafthorse-page-'))
  const clean = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', clean)
  await buildPage(folder)
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
      process.off('exit', clean)
      clean()
    },
  }
}

async function content(folder: string, path: string): Promise<Uint8Array | string> {
  const own = path.startsWith('repository/') ? path.slice('repository/'.length) : undefined
  if (normalize(path).split(sep).includes('..')) throw new Error(`${path} is not served`)
  if (path.startsWith('wasm/')) return readFile(join(wasm, path.slice('wasm/'.length)))
  if (own === undefined) return readFile(join(folder, path))
  if (!served.test(own)) throw new Error(`${own} is not served`)
  return own.endsWith('/') ? JSON.stringify(await nodeFiles.list(own)) : nodeFiles.read(own)
}
