// The weights on their way from one file to another: which type each gets, and its bytes piece by piece, so that no more than
// one tensor is in memory.

import { convertInPieces, lossless } from '../../engine/convert.ts'
import { blockLayouts, byteSize, type StoredDType } from '../../engine/dtype.ts'
import { DTypeError, NumericError } from '../../engine/errors.ts'
import type { Turn } from '../../engine/turn.ts'
import type { StoredTensor } from '../load/checkpoint.ts'

/** A tensor as it will stand in a file. */
export interface OutgoingTensor {
  readonly name: string
  /** Slowest axis first. */
  readonly shape: readonly number[]
  readonly dtype: StoredDType
  readonly byteLength: number
  /** Reads and converts it; to be called once. */
  pieces(): AsyncIterable<Uint8Array>
}

/**
 * A tensor of a checkpoint in another type. `arrange` gives its rows, as they are stored, another order. The pieces throw
 * {@link NumericError} for values that the type cannot hold, and `AbortError`.
 */
export function outgoing(
  tensor: StoredTensor,
  options: {
    dtype: StoredDType
    turn: Turn
    name?: string
    arrange?: ((bytes: Uint8Array) => Uint8Array) | undefined
  },
): OutgoingTensor {
  const { dtype, turn, name = tensor.name, arrange } = options
  const { shape } = tensor
  return {
    name,
    shape,
    dtype,
    byteLength: byteSize(dtype, shape),
    async *pieces() {
      const bytes = await tensor.read()
      const pieces = convertInPieces(arrange?.(bytes) ?? bytes, tensor.dtype, dtype)
      for (;;) {
        await turn()
        const { value, done } = named(tensor.name, () => pieces.next())
        if (done) return
        yield value
      }
    },
  }
}

/** Runs a conversion; a value that does not fit is told with the tensor that has it. */
function named<R>(tensor: string, run: () => R): R {
  try {
    return run()
  } catch (error) {
    if (error instanceof NumericError) throw new NumericError(`${tensor}: ${error.message}; choose another type`)
    throw error
  }
}

/**
 * The type that each tensor gets: the one asked for, where its blocks fit; else its own, or another that loses nothing, of
 * those that the format has. Throws {@link DTypeError} where no matrix can have the type asked for.
 */
export function chooseTypes(
  tensors: readonly StoredTensor[],
  { asked, allowed }: { asked: StoredDType | undefined; allowed: readonly StoredDType[] },
): Map<StoredTensor, StoredDType> {
  const fits = (tensor: StoredTensor): boolean =>
    asked !== undefined && (tensor.shape.at(-1) ?? 1) % blockLayouts[asked].blockSize === 0
  const keeps = ({ dtype }: StoredTensor): StoredDType =>
    [dtype, ...lossless[dtype]].find((candidate) => allowed.includes(candidate)) ?? 'f32' // which every format has
  if (asked && !tensors.some((tensor) => tensor.shape.length > 1 && fits(tensor))) {
    throw new DTypeError(
      `no matrix of this model can be ${asked}, which packs ${blockLayouts[asked].blockSize} values along the last axis`,
    )
  }
  return new Map(tensors.map((tensor) => [tensor, asked && fits(tensor) ? asked : keeps(tensor)]))
}
