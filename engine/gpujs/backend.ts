// The contract on GPU.js: handles, caches and arenas over its arrays, textures or buffers, and the ops bound to them.

import type { Arena, Backend, Capabilities, HostArray, KVCache, Ops, WeightSpec } from '../backend.ts'
import { byteSize, type DType, elementCount } from '../dtype.ts'
import { DTypeError, OutOfMemoryError } from '../errors.ts'
import { attention, rope } from './attention.ts'
import type { Device } from './device.ts'
import { cacheBytes, copyKV, dropCache, type GpujsCache, newCache, storeKV } from './kv-cache.ts'
import { copyRows, embed, linear, rmsNorm, select, swiglu } from './ops.ts'
import { clear, extent, type GpujsTensor, valueIn, write } from './tensor.ts'
import { drop, hold, isHost, joined, newValue, rowsOf, type Value } from './value.ts'

export interface BackendParts {
  readonly name: string
  readonly device: Device
  readonly capabilities: Capabilities
  /** Bytes to be had; undefined where nobody can tell. */
  readonly room: () => number | undefined
  readonly close: () => Promise<void>
}

export function createBackend({ name, device, capabilities, room, close }: BackendParts): Backend<GpujsTensor> {
  const tensors = new Set<GpujsTensor>()
  const caches = new Set<GpujsCache>()
  const arenas = new Set<Set<GpujsTensor>>()
  let last: Promise<unknown> = Promise.resolve()
  /** A model that was told of has its room. */
  let prepared = false

  function expectRoom(needed: number, what: string): void {
    const free = room()
    if (free === undefined || needed <= free) return
    throw new OutOfMemoryError(`${name} has room for ${free} bytes, and ${what} takes ${needed}`)
  }

  async function prepare(weights: readonly WeightSpec[]): Promise<void> {
    const total = weights.reduce((sum, { shape, dtype }) => sum + byteSize(dtype, shape), 0)
    expectRoom(total, 'a model')
    prepared = true
  }

  function upload(data: HostArray | Uint8Array, { shape, dtype }: { shape: readonly number[]; dtype: DType }) {
    if (dtype !== 'f32' && dtype !== 'i32') throw new DTypeError(`${name} runs f32, not ${dtype}`)
    if (!prepared) expectRoom(byteSize(dtype, shape), `a tensor of [${shape.join(', ')}]`)
    const own = copied(data)
    const tensor: GpujsTensor = {
      shape: [...shape],
      dtype,
      value: undefined,
      ...(dtype === 'i32' && { integers: new Int32Array(own) }),
    }
    const size = extent(tensor)
    const numbers = dtype === 'i32' ? Float32Array.from(new Int32Array(own)) : new Float32Array(own)
    write(tensor, newValue(size, rowsOf(numbers, size.width)))
    tensors.add(tensor)
    return tensor
  }

  function arena(): Arena<GpujsTensor> {
    const made = new Set<GpujsTensor>()
    arenas.add(made)
    return {
      tensor(shape, dtype = 'f32') {
        elementCount(shape)
        const tensor: GpujsTensor = { shape: [...shape], dtype, value: undefined }
        made.add(tensor)
        return tensor
      },
      release() {
        for (const tensor of made) clear(tensor)
        made.clear()
        arenas.delete(made)
      },
    }
  }

  async function runAndRead(wanted: readonly (readonly [GpujsTensor, Value])[]): Promise<HostArray[]> {
    try {
      await device.run()
      return await Promise.all(wanted.map(([tensor, value]) => numbersOf(tensor, value)))
    } finally {
      for (const [, value] of wanted) drop(value)
    }
  }

  /** One read after the other. */
  function read(wanted: readonly GpujsTensor[]): Promise<HostArray[]> {
    const held = wanted.map((tensor) => [tensor, hold(valueIn(tensor))] as const)
    const next = last.then(() => runAndRead(held))
    last = next.catch(() => {})
    return next
  }

  return {
    name,
    capabilities,
    ops: bindOps(device),
    prepare,
    operations: () => device.counts.operations,
    uploaded: () => device.counts.uploaded,
    upload,
    createCache(spec: {
      layers: number
      width: number
      capacity: number
      parent?: { cache: KVCache; length: number }
    }) {
      const cache = newCache(spec as Parameters<typeof newCache>[0]) // a parent is a cache of this backend
      caches.add(cache)
      return cache
    },
    arena,
    read,
    free(handle: GpujsTensor | KVCache) {
      if ('shape' in handle) {
        if (tensors.delete(handle)) clear(handle)
        return
      }
      const cache = handle as GpujsCache // caches are made here only
      if (caches.delete(cache)) dropCache(cache)
    },
    memory() {
      let bytes = 0
      for (const { shape } of tensors) bytes += elementCount(shape) * 4
      for (const made of arenas) for (const { shape } of made) bytes += elementCount(shape) * 4
      for (const cache of caches) bytes += cacheBytes(cache)
      return { tensors: tensors.size, caches: caches.size, arenas: arenas.size, bytes }
    },
    async dispose() {
      await last
      for (const made of arenas) for (const tensor of made) clear(tensor)
      for (const tensor of tensors) clear(tensor)
      for (const cache of caches) dropCache(cache)
      arenas.clear()
      tensors.clear()
      caches.clear()
      await close()
    },
  }
}

/** A copy of the numbers or their bytes, which may start anywhere in their buffer. */
function copied({ buffer, byteOffset, byteLength }: HostArray | Uint8Array): ArrayBuffer {
  return new Uint8Array(buffer, byteOffset, byteLength).slice().buffer
}

async function numbersOf({ dtype, integers }: GpujsTensor, { data }: Value): Promise<HostArray> {
  if (integers) return integers.slice()
  if (!data) throw new Error('the tensor was lost when an earlier kernel failed')
  const numbers = joined(isHost(data) ? data : await data.toArray())
  return dtype === 'i32' ? Int32Array.from(numbers) : numbers
}

/** The ops of a device. */
function bindOps(device: Device): Ops<GpujsTensor> {
  function bind<A extends readonly unknown[]>(op: (device: Device, ...args: A) => void): (...args: A) => void {
    return (...args) => op(device, ...args)
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
  return ops as Ops<GpujsTensor> // segments hold caches of this backend only, which openBackend checks
}
