// Weights in TensorFlow.js's own form, decoded by its own io, whatever backend they are for.

import { platform } from '#tfjs'
import { BackendUnavailableError } from '../errors.ts'
import type { WeightSpec } from './tf.ts'

export type { WeightSpec } from './tf.ts'

/**
 * The values of one weight, row-major, from its bytes: pieces in their order, cut anywhere. Beside the pieces it takes
 * their bytes once more, and 4 bytes a value.
 */
export type WeightDecoder = (pieces: readonly Uint8Array[], spec: WeightSpec) => Float32Array

/** Loads TensorFlow.js. Throws {@link BackendUnavailableError} that says what to install; `purpose` says what for. */
export async function openWeightDecoder(purpose: string): Promise<WeightDecoder> {
  const reason = await platform.unavailable('cpu')
  if (reason !== undefined) throw new BackendUnavailableError(`${purpose} needs TensorFlow.js: ${reason}`)
  const { tf } = await platform.load('cpu', { threads: undefined })
  tf.enableProdMode()

  return (pieces, spec) => {
    // A tensor belongs to the backend that is active when it is made: this one keeps it in JavaScript's memory, and
    // starts within the call. The program's own choice is back before anyone else runs.
    const chosen = tf.getBackend()
    void tf.setBackend('cpu')
    try {
      const { weight } = tf.io.decodeWeights(pieces.map(bufferOf), [{ ...spec, name: 'weight' }])
      try {
        return weight!.dataSync() as Float32Array // of a float32 tensor
      } finally {
        weight!.dispose()
      }
    } finally {
      if (chosen !== undefined) void tf.setBackend(chosen)
    }
  }
}

/** The bytes as a buffer of their own, which is only read; a copy where they share one. */
function bufferOf(bytes: Uint8Array): ArrayBuffer {
  const { buffer, byteLength } = bytes
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? buffer : new Uint8Array(bytes).buffer
}
