// The reference backend: plain TypeScript, one op a function, f32 in and out, f64 sums. Slow, and right: the oracle of
// the other backends, and the place to read what an op does.

import type { Arena, Backend, BackendModule, HostArray, MemoryUse, Ops } from '../backend.ts'
import { type DType, elementCount } from '../dtype.ts'
import { DTypeError } from '../errors.ts'
import { attention } from './attention.ts'
import { copyRows } from './copy-rows.ts'
import { embed } from './embed.ts'
import { copyKV, type ReferenceCache, storeKV } from './kv-cache.ts'
import { linear } from './linear.ts'
import { rmsNorm } from './rms-norm.ts'
import { rope } from './rope.ts'
import { select } from './select.ts'
import { swiglu } from './swiglu.ts'
import type { F32Tensor, I32Tensor, ReferenceTensor } from './tensor.ts'

export type { ReferenceCache } from './kv-cache.ts'
export type { Bf16Tensor, BlockTensor, F32Tensor, I32Tensor, ReferenceTensor, WeightTensor } from './tensor.ts'

const ops: Ops<ReferenceTensor> = {
  embed,
  rmsNorm,
  linear,
  rope,
  storeKV,
  attention,
  swiglu,
  copyRows,
  copyKV,
  select,
}

async function open(): Promise<Backend<ReferenceTensor>> {
  const tensors = new Set<ReferenceTensor>()
  const caches = new Set<ReferenceCache>()
  const arenas = new Set<Set<ReferenceTensor>>()

  function upload(
    data: HostArray | Uint8Array,
    { shape, dtype }: { shape: readonly number[]; dtype: DType },
  ): ReferenceTensor {
    const tensor = tensorOf(dtype, shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice())
    tensors.add(tensor)
    return tensor
  }

  function createCache(spec: {
    layers: number
    width: number
    capacity: number
    parent?: { cache: ReferenceCache; length: number }
  }): ReferenceCache {
    const tables = (): Float32Array[] => Array.from({ length: spec.layers }, () => new Float32Array(0))
    const cache = { ...spec, keys: tables(), values: tables() }
    caches.add(cache)
    return cache
  }

  function arena(): Arena<ReferenceTensor> {
    const made = new Set<ReferenceTensor>()
    arenas.add(made)
    return {
      tensor(shape, dtype = 'f32') {
        const size = elementCount(shape)
        const tensor: F32Tensor | I32Tensor =
          dtype === 'f32'
            ? { shape, dtype, data: new Float32Array(size) }
            : { shape, dtype, data: new Int32Array(size) }
        made.add(tensor)
        return tensor
      },
      release: () => void arenas.delete(made),
    }
  }

  async function read(wanted: readonly ReferenceTensor[]): Promise<HostArray[]> {
    return wanted.map((tensor) => {
      if (tensor.dtype === 'f32' || tensor.dtype === 'i32') return tensor.data.slice()
      throw new DTypeError(`read copies f32 and i32 tensors, not ${tensor.dtype}`)
    })
  }

  function memory(): MemoryUse {
    let bytes = 0
    for (const tensor of tensors) bytes += tensor.data.byteLength
    for (const made of arenas) for (const tensor of made) bytes += tensor.data.byteLength
    for (const cache of caches) for (const table of [...cache.keys, ...cache.values]) bytes += table.byteLength
    return { tensors: tensors.size, caches: caches.size, arenas: arenas.size, bytes }
  }

  return {
    name: 'reference',
    capabilities: {
      rowInvariant: true,
      dtypes: ['f32', 'bf16', 'q8_0', 'q4_0', 'q4_1'],
      threads: 1,
      passRows: 16,
      device: 'plain TypeScript on one thread',
      kind: 'software',
      freeReads: true,
    },
    ops,
    upload,
    createCache,
    arena,
    read,
    free(handle: ReferenceTensor | ReferenceCache) {
      if ('keys' in handle) caches.delete(handle)
      else tensors.delete(handle)
    },
    memory,
    async dispose() {
      tensors.clear()
      caches.clear()
      arenas.clear()
    },
  }
}

/** A tensor over bytes of its own: they start at offset 0, so every typed array fits. */
function tensorOf(dtype: DType, shape: readonly number[], bytes: Uint8Array<ArrayBuffer>): ReferenceTensor {
  switch (dtype) {
    case 'f32':
      return { shape, dtype, data: new Float32Array(bytes.buffer) }
    case 'i32':
      return { shape, dtype, data: new Int32Array(bytes.buffer) }
    case 'bf16':
      return { shape, dtype, data: new Uint16Array(bytes.buffer) }
    case 'q8_0':
    case 'q4_0':
    case 'q4_1':
      return { shape, dtype, data: bytes }
  }
}

export const reference: BackendModule<ReferenceTensor> = { name: 'reference', open }
