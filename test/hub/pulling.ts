// A scratch cache and a hub, as the tests of pulling use them.

import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, longestSilence } from '../../model/load/hub-client.ts'
import { type Pulled, type PullOptions, pull } from '../../model/load/hub-pull-node.ts'
import { type HubSettings, hubSettings } from '../../model/load/hub-settings-node.ts'
import { type FakeHub, startHub } from './server.ts'

export const firstCommit: string = 'a'.repeat(40)
export const secondCommit: string = 'b'.repeat(40)

/** Bytes that look like nothing, the same each time. */
export function content(size: number, seed = 'weights'): Buffer {
  const blocks: Buffer[] = []
  for (let i = 0; 32 * i < size; i++) blocks.push(createHash('sha256').update(`${seed} ${i}`).digest())
  return Buffer.concat(blocks).subarray(0, size)
}

export interface Scratch {
  readonly hub: FakeHub
  /** HF_HOME. */
  readonly folder: string
  /** The folder of owner/tiny in the cache. */
  readonly entry: string
  /** Seconds of every wait that the client would have made. */
  readonly waits: number[]
  settings(env?: Readonly<Record<string, string>>): HubSettings
  pull(name?: string, options?: PullOptions & { env?: Readonly<Record<string, string>> }): Promise<Pulled>
  /** Names in the folder of contents, sorted. */
  blobs(): Promise<string[]>
  close(): Promise<void>
}

/** With a repository owner/tiny of a config and weights of 300,000 bytes. */
export async function scratch(): Promise<Scratch> {
  const hub = await startHub()
  const folder = await mkdtemp(join(tmpdir(), 'drafthorse-hub-'))
  const entry = join(folder, 'hub', 'models--owner--tiny')
  const waits: number[] = []
  /** Waits at once, but never finds a connection silent. */
  const clock: Clock = {
    now: () => 0,
    after(ms, run) {
      if (ms === longestSilence) return () => {}
      waits.push(ms / 1000)
      const immediate = setImmediate(run)
      return () => clearImmediate(immediate)
    },
  }
  hub.repositories.set('owner/tiny', {
    commit: firstCommit,
    files: {
      'README.md': Buffer.from('# tiny'),
      'config.json': Buffer.from('{}'),
      'model.safetensors': content(300_000),
    },
  })
  const settings: Scratch['settings'] = (env = {}) =>
    hubSettings({ HF_HOME: folder, HF_ENDPOINT: hub.endpoint, ...env })
  return {
    hub,
    folder,
    entry,
    waits,
    settings,
    pull: (name = 'owner/tiny', { env, ...options } = {}) => pull(name, { settings: settings(env), clock, ...options }),
    async blobs() {
      return (await readdir(join(entry, 'blobs'))).toSorted()
    },
    async close() {
      await hub.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
