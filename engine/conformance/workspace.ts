// The memory of one case: whatever it uploads, makes or caches is freed at its end, also when it fails.

import type { Arena, Backend, HostArray, KVCache, Ops, Tensor } from '../backend.ts'
import type { Weight } from './weights.ts'

export interface Workspace {
  readonly backend: Backend
  readonly ops: Ops
  /** An uploaded copy of numbers. */
  values(data: HostArray, shape: readonly number[]): Tensor
  weight(weight: Pick<Weight, 'data' | 'shape' | 'dtype'>): Tensor
  /** f32, full of NaN, so that a value which a kernel does not write shows. */
  poisoned(shape: readonly number[]): Tensor
  /** An arena, apart from the one of `unset`. */
  arena(): Arena
  /** Of unset values, in an arena. */
  unset(shape: readonly number[], dtype?: 'f32' | 'i32'): Tensor
  cache(spec: Parameters<Backend['createCache']>[0]): KVCache
}

export async function inWorkspace<R>(backend: Backend, body: (space: Workspace) => Promise<R>): Promise<R> {
  const handles: (Tensor | KVCache)[] = []
  const arenas: Arena[] = []
  function keep<H extends Tensor | KVCache>(handle: H): H {
    handles.push(handle)
    return handle
  }
  const arena = (): Arena => {
    const made = backend.arena()
    arenas.push(made)
    return made
  }
  let common: Arena | undefined
  const values = (data: HostArray, shape: readonly number[]): Tensor =>
    keep(backend.upload(data, { shape, dtype: data instanceof Int32Array ? 'i32' : 'f32' }))
  try {
    return await body({
      backend,
      ops: backend.ops,
      arena,
      values,
      weight: ({ data, shape, dtype }) => keep(backend.upload(data, { shape, dtype })),
      poisoned: (shape) => values(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(Number.NaN), shape),
      unset: (shape, dtype) => {
        common ??= arena()
        return common.tensor(shape, dtype)
      },
      cache: (spec) => keep(backend.createCache(spec)),
    })
  } finally {
    for (const made of arenas) made.release()
    for (const handle of handles.toReversed()) backend.free(handle)
  }
}
