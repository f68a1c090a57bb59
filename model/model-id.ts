// A model's id: short, and the same for the same weights, wherever they lie and whatever they are called. What is kept for a
// model is kept under it.

import type { LlamaConfig } from './config.ts'
import type { StoredTensor } from './load/checkpoint.ts'
import { tensorShapes } from './weights.ts'

/** In what is hashed first, so that an id tells how it was made. */
const kind = 'drafthorse/model@1'

/**
 * The sha256, in hex, of what sets a model apart: of the config what is not told by shapes (heads, epsilon, rope, window), and
 * the name, the shape and the first 4 KiB of every tensor that it runs, as its file holds them. It covers no more of the
 * weights, so that 8 GB take milliseconds; nor the tokenizer, nor the length of the context. One model in two types, or in
 * formats that lay weights out differently, has two ids.
 * `undefined` where there is no WebCrypto: in a page that is no secure context.
 */
export async function modelId(
  config: LlamaConfig,
  tensors: ReadonlyMap<string, StoredTensor>,
): Promise<string | undefined> {
  // Types say that it is always there.
  if ((globalThis.crypto as Crypto | undefined)?.subtle === undefined) return undefined
  const { numAttentionHeads, numKeyValueHeads, rmsNormEps, ropeTheta, ropeScaling, slidingWindow } = config
  const heads = [numAttentionHeads, numKeyValueHeads]
  const lines = [JSON.stringify([kind, heads, rmsNormEps, ropeTheta, ropeScaling, slidingWindow ?? null])]
  for (const name of [...tensorShapes(config).keys()].sort()) {
    const tensor = tensors.get(name)
    if (tensor) lines.push(JSON.stringify([name, tensor.shape, await sha256(await tensor.start())]))
  }
  return sha256(new TextEncoder().encode(lines.join('\n')))
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
