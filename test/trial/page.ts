// Builds the page of a trial, and serves it with the repository's models.
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fromFolder, type Site, serve } from '../../bench/site.ts'
import { nodeFiles } from '../engine/tfjs/files-node.ts'
import { peers } from '../engine/tfjs/peers.ts'
import { viteBuild } from './vite-build.ts'

/** What the page may fetch of the repository. */
const served = /^(models\/stories|test\/oracles\/hf(-families)?)\/[\w./-]*$/

/** `given`: what is served under that name. */
export async function openPage({
  given = () => undefined,
}: {
  given?: (path: string) => Uint8Array | undefined
} = {}): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'drafthorse-page-'))
  const clean = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', clean)
  const config = fileURLToPath(new URL('vite.config.ts', import.meta.url))
  await viteBuild(['--config', config, '--outDir', folder])
  const own = fromFolder(folder)
  const wasm = fromFolder(join(peers, 'node_modules/@tensorflow/tfjs-backend-wasm/dist'))
  const site = await serve(async (path) => {
    const [first, ...rest] = path.split('/')
    const bytes = first === 'given' ? given(rest.join('/')) : undefined
    if (bytes) return bytes
    if (first === 'repository') return repositoryFile(rest.join('/'))
    return first === 'wasm' ? wasm(rest.join('/')) : own(path)
  })
  return {
    address: site.address,
    async close() {
      await site.close()
      process.off('exit', clean)
      clean()
    },
  }
}

async function repositoryFile(path: string): Promise<Uint8Array | string> {
  if (!served.test(path)) throw new Error(`${path} is not served`)
  return path.endsWith('/') ? JSON.stringify(await nodeFiles.list(path)) : nodeFiles.read(path)
}
