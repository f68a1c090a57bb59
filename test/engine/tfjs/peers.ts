// Opens backends on TensorFlow.js with the packages of test/peers, as a project that has them installed would.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Backend, type OpenOptions, openBackend } from 'drafthorse/engine'
import { tfjsModules } from 'drafthorse/engine/tfjs'
import { skipUnless, skipUnlessPossible } from '../../skip.ts'

export const peers: string = fileURLToPath(new URL('../../peers/', import.meta.url))

/** Runs `body` in the folder whose packages are to be found. */
export async function inPeers<R>(body: () => Promise<R>): Promise<R> {
  const before = process.cwd()
  process.chdir(peers)
  try {
    return await body()
  } finally {
    process.chdir(before)
  }
}

export function openTfjs(name: string, options: OpenOptions = {}): Promise<Backend> {
  return inPeers(() => openBackend(name, options))
}

/** Why a backend cannot run here, or nothing. */
export async function missing(name: string): Promise<string | undefined> {
  if (name === 'tfjs:tensorflow' && !['tfjs-node-gpu', 'tfjs-node'].some(isBuilt)) {
    return 'the TensorFlow of test/peers is not built'
  }
  const module = tfjsModules.find((each) => each.name === name)!
  const reason = await inPeers(async () => module.unavailable?.())
  return reason === undefined ? undefined : `${name} of test/peers: ${reason}`
}

function isBuilt(name: string): boolean {
  return existsSync(`${peers}node_modules/@tensorflow/${name}/lib/napi-v8/tfjs_binding.node`)
}

/** Skips a test, or a suite from its `before` hook, where a backend cannot run. */
export async function expectTfjs(context: Mocha.Context, name: string): Promise<void> {
  const reason = await missing(name)
  if (name === 'tfjs:tensorflow' && process.platform !== 'linux') skipUnlessPossible(context, !reason, `${reason}`)
  skipUnless(context, !reason, `${reason}`)
}
