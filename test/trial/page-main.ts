// The page of browser.ts: runs the trial that its address names, with Drafthorse as a bundler builds it.
import type { Files } from '../engine/tfjs/files.ts'
import { runTrial, type TrialEvent, type TrialKey } from './trial.ts'

declare global {
  /** Put there by browser.ts. */
  var tellTrial: (event: TrialEvent) => Promise<void>
}

async function get(path: string): Promise<Response> {
  const response = await fetch(`/repository/${path}`)
  if (!response.ok) throw new Error(`${path}: ${response.status}`)
  return response
}

const files: Files = {
  read: async (path) => new Uint8Array(await (await get(path)).arrayBuffer()),
  list: async (folder) => (await get(`${folder}/`)).json(),
}

async function start(key: TrialKey): Promise<void> {
  if (key === 'tfjs:wasm') {
    // The package looks for its .wasm files beside the script that it is in, where a bundler puts none.
    // @ts-expect-error it is in test/peers, where its types are not looked for
    const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm')
    setWasmPaths('/wasm/')
  }
  await runTrial({ key, files, tell: globalThis.tellTrial })
}

void start(new URLSearchParams(location.search).get('trial') as TrialKey) // browser.ts passes one
