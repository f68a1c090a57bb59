// The contract on TensorFlow.js: handles, caches and arenas over its tensors, and the ops bound to them.

import type { Arena, Backend, Capabilities, HostArray, KVCache, Ops, WeightSpec } from '../backend.ts'
import { byteSize, type DType, elementCount } from '../dtype.ts'
import { DTypeError, OutOfMemoryError } from '../errors.ts'
import { attention } from './attention.ts'
import type { Device } from './device.ts'
import { fromHost } from './eager.ts'
import { clear, newHandle, type TfjsTensor, valueIn, write } from './handle.ts'
import { cacheBytes, copyKV, dropCache, newCache, storeKV, type TfjsCache } from './kv-cache.ts'
import { rope } from './rope.ts'
import { copyRows, embed, linear, rmsNorm, swiglu } from './rows.ts'
import { select } from './select.ts'
import type { Shape } from './trials.ts'

export interface BackendParts {
  readonly name: string
  readonly device: Device
  readonly capabilities: Capabilities
  /** Bytes that one tensor may have, and all that are still to come; undefined where nobody can tell. */
  readonly room: { readonly tensor: () => number | undefined; readonly all: () => number | undefined }
  /** Looks for limits under which products with weights of these shapes keep the promise of the capabilities. */
  readonly fit: (shapes: readonly Shape[]) => Promise<void>
  /** Makes the backend the current one of its TensorFlow.js, where several share it. */
  readonly activate: () => void
  /** Called when the backend is disposed, after all of its tensors. */
  readonly close: () => void
}

export function createBackend(parts: BackendParts): Backend<TfjsTensor> {
  const { name, device, activate } = parts
  const tensors = new Set<TfjsTensor>()
  const caches = new Set<TfjsCache>()
  const arenas = new Set<Set<TfjsTensor>>()
  /** Matrices of the last model that was told of, whose weights may be on their way. */
  let expected: readonly Shape[] | undefined

  const capabilities: Capabilities = {
    ...parts.capabilities,
    /** The promise is not kept as long as there is a weight whose shape no limits fit. */
    get rowInvariant() {
      const isUnfit = (shape: readonly number[]): boolean => device.unfit.has(shape.join())
      const broken = expected?.some(isUnfit) || [...tensors].some(({ shape }) => isUnfit(shape))
      return !broken && parts.capabilities.rowInvariant
    },
  }

  function upload(
    data: HostArray | Uint8Array,
    { shape, dtype }: { shape: readonly number[]; dtype: DType },
  ): TfjsTensor {
    if (dtype !== 'f32' && dtype !== 'i32') throw new DTypeError(`${name} runs f32, not ${dtype}`)
    activate()
    const handle = newHandle(shape, dtype)
    write(handle, place(data, shape, dtype))
    tensors.add(handle)
    return handle
  }

  function place(data: HostArray | Uint8Array, shape: readonly number[], dtype: 'f32' | 'i32') {
    const [needed, what] = [byteSize(dtype, shape), `a tensor of [${shape.join(', ')}]`]
    expectRoom(parts.room.tensor(), needed, what)
    // A model that was told of has its room: what is free while it is read says nothing of what is left to read.
    if (!expected) expectRoom(parts.room.all(), needed, what)
    return fromHost(device.tf, typedValues(data, dtype), shape)
  }

  function expectRoom(free: number | undefined, needed: number, what: string): void {
    if (free === undefined || needed <= free) return
    throw new OutOfMemoryError(
      `${name} on ${capabilities.device} has room for ${free} bytes, and ${what} takes ${needed}`,
    )
  }

  async function prepare(weights: readonly WeightSpec[]): Promise<void> {
    const sizes = weights.map(({ shape, dtype }) => byteSize(dtype, shape))
    const total = sizes.reduce((sum, size) => sum + size, 0)
    const largest = Math.max(0, ...sizes)
    const what = `a model of ${total} bytes of weights, with a copy of the largest on its way,`
    expectRoom(parts.room.all(), total + largest, what)
    expectRoom(parts.room.tensor(), largest, 'the largest weight')
    expected = weights.map(({ shape }) => shape).filter(isMatrix)
    await parts.fit(expected)
  }

  function arena(): Arena<TfjsTensor> {
    const made = new Set<TfjsTensor>()
    arenas.add(made)
    return {
      tensor(shape, dtype = 'f32') {
        const tensor = newHandle(shape, dtype)
        made.add(tensor)
        return tensor
      },
      release() {
        for (const tensor of made) clear(tensor)
        made.clear()
        arenas.delete(made)
        if (arenas.size === 0) device.endPass()
      },
    }
  }

  async function read(wanted: readonly TfjsTensor[]): Promise<HostArray[]> {
    activate()
    const values = wanted.map((handle) => valueIn(device, handle).tensor)
    const read = await Promise.all(values.map((tensor) => tensor.data()))
    return wanted.map(({ shape, dtype }, i) => {
      const size = elementCount(shape)
      // Rows of padding stand behind those of the handle.
      const own = read[i]!.subarray(0, size)
      return dtype === 'i32' ? Int32Array.from(own) : Float32Array.from(own)
    })
  }

  return {
    name,
    capabilities,
    ops: bindOps(device, activate),
    prepare,
    operations: () => device.operations,
    upload,
    createCache(spec: {
      layers: number
      width: number
      capacity: number
      parent?: { cache: KVCache; length: number }
    }) {
      const cache = newCache(device, spec as Parameters<typeof newCache>[1]) // a parent is a cache of this backend
      caches.add(cache)
      return cache
    },
    arena,
    read,
    free(handle: TfjsTensor | KVCache) {
      if (isTensor(handle)) {
        clear(handle)
        tensors.delete(handle)
        return
      }
      const cache = handle as TfjsCache // caches are made here only
      if (caches.delete(cache)) dropCache(cache)
    },
    memory() {
      let bytes = 0
      for (const handle of tensors) bytes += elementCount(handle.shape) * 4
      for (const made of arenas) for (const handle of made) bytes += elementCount(handle.shape) * 4
      for (const cache of caches) bytes += cacheBytes(cache)
      return { tensors: tensors.size, caches: caches.size, arenas: arenas.size, bytes }
    },
    async dispose() {
      for (const made of arenas) for (const handle of made) clear(handle)
      for (const handle of tensors) clear(handle)
      for (const cache of caches) dropCache(cache)
      arenas.clear()
      tensors.clear()
      caches.clear()
      device.forget()
      parts.close()
    },
  }
}

function isTensor(handle: TfjsTensor | KVCache): handle is TfjsTensor {
  return 'content' in handle
}

function isMatrix(shape: readonly number[]): shape is Shape {
  return shape.length === 2
}

/** Bytes may start anywhere in their buffer; typed arrays may not. A Buffer's own `slice` would not copy. */
function typedValues(data: HostArray | Uint8Array, dtype: 'f32' | 'i32'): HostArray {
  if (!(data instanceof Uint8Array)) return data
  const { buffer } = new Uint8Array(data)
  return dtype === 'f32' ? new Float32Array(buffer) : new Int32Array(buffer)
}

/** The ops of a device. */
export function bindOps(device: Device, activate: () => void): Ops<TfjsTensor> {
  function bind<A extends readonly unknown[]>(op: (device: Device, ...args: A) => void): (...args: A) => void {
    return (...args) => {
      activate()
      op(device, ...args)
    }
  }
  const ops = {
    embed: bind(embed),
    rmsNorm: bind(rmsNorm),
    linear: bind(linear),
    rope: bind(rope),
    storeKV: bind(storeKV),
    attention: bind(attention),
    swiglu: bind(swiglu),
    copyRows: bind(copyRows),
    copyKV: bind(copyKV),
    select: bind(select),
  }
  return ops as Ops<TfjsTensor> // segments hold caches of this backend only, which openBackend checks
}
