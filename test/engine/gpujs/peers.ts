// Opens backends on GPU.js with the package of test/peers, as a project that has it installed would.
import { type Backend, openBackend } from 'drafthorse/engine'
import { gpujsModules } from 'drafthorse/engine/gpujs'
import { skipUnless } from '../../skip.ts'
import { inPeers } from '../tfjs/peers.ts'

export function openGpujs(name: string): Promise<Backend> {
  return inPeers(() => openBackend(name))
}

/** Why a backend cannot run here, or nothing. */
export async function missing(name: string): Promise<string | undefined> {
  const module = gpujsModules.find((each) => each.name === name)!
  const reason = await inPeers(async () => module.unavailable?.())
  return reason === undefined ? undefined : `${name} of test/peers: ${reason}`
}

/** Skips a test, or a suite from its `before` hook, where a backend cannot run. */
export async function expectGpujs(context: Mocha.Context, name: string): Promise<void> {
  const reason = await missing(name)
  skipUnless(context, !reason, `${reason}`)
}
