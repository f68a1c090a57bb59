// Makes error cases: a wrong call is refused when it is made, with the right class of error.

import type { Arena, Backend, KVCache, Ops, Tensor } from '../backend.ts'
import type { WeightDType } from '../dtype.ts'
import { type Case, type CaseSubject, describeError, type Outcome } from './case.ts'
import { makeWeight } from './weights.ts'
import { inWorkspace, type Workspace } from './workspace.ts'

/** Codes of `engine/errors.ts`: compared as text, since two copies of the package have two sets of classes. */
export type ExpectedCode = 'ERR_SHAPE' | 'ERR_DTYPE' | 'ERR_ARGUMENT' | 'ERR_DISPOSED'

/** What a wrong call is put together from. */
export interface Parts {
  readonly backend: Backend
  readonly ops: Ops
  f32(...shape: number[]): Tensor
  i32(...shape: number[]): Tensor
  /** An uploaded tensor of zeros. */
  weight(dtype: WeightDType, ...shape: number[]): Tensor
  arena(): Arena
  cache(spec?: { layers?: number; width?: number; capacity?: number; parent?: KVCache }): KVCache
}

/** A case that holds when `call` throws, or rejects, with `code`. */
export function errorCase(
  spec: { op: CaseSubject; name: string; code: ExpectedCode; dtype?: WeightDType },
  call: (parts: Parts) => unknown,
): Case {
  const { op, name, code, dtype } = spec
  return {
    op,
    kind: 'errors',
    name: `${name}: ${code}`,
    dtype,
    run: (backend) =>
      inWorkspace(backend, async (space): Promise<Outcome> => {
        const parts = partsOf(space)
        try {
          await call(parts)
        } catch (error) {
          if (error instanceof Error && 'code' in error && error.code === code) return { status: 'ok' }
          return { status: 'failed', message: `expected an error of code ${code}, got ${describeError(error)}` }
        }
        return { status: 'failed', message: `expected an error of code ${code}, but the call was accepted` }
      }),
  }
}

function partsOf(space: Workspace): Parts {
  return {
    backend: space.backend,
    ops: space.ops,
    arena: space.arena,
    f32: (...shape) => space.unset(shape),
    i32: (...shape) => space.unset(shape, 'i32'),
    weight: (dtype, ...shape) =>
      space.weight(makeWeight(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape, dtype)),
    cache: ({ layers = 2, width = 8, capacity = 16, parent } = {}) =>
      space.cache({ layers, width, capacity, ...(parent && { parent: { cache: parent, length: 5 } }) }),
  }
}
