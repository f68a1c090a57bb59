// The contract on one device: handles, caches and arenas in the pool, weights in buffers, and one submission for each read.

import type { Arena, Backend, Capabilities, HostArray, KVCache, WeightSpec } from '../backend.ts'
import { createBump } from '../bump.ts'
import { inParent } from '../cache-runs.ts'
import { byteSize, type DType, elementCount, isBlockType } from '../dtype.ts'
import { DisposedError, OutOfMemoryError } from '../errors.ts'
import type { Gpu } from './device.ts'
import type { Layout } from './kernels/linear.ts'
import { multiplyAdd } from './kernels/math.ts'
import { createOps } from './ops.ts'
import { createPipelines } from './pipelines.ts'
import { createPool } from './pool.ts'
import { createRecorder } from './recorder.ts'
import { chunkWords, createRowTables, type WebgpuCache } from './row-tables.ts'
import { createStaging } from './staging.ts'
import { type WebgpuTensor, width } from './tensor.ts'
import { createWeightStore, rowBytes, weightType } from './weights.ts'

/** f32 matrices from so many bytes on are taken for weights; where they are none, the first op that shows it moves them. */
const weightBytes = 65536
/** Words of arenas and freed tensors that may wait for a submission before there is one without a read. */
const mostRetired = 1 << 24

const arenaBlock = 1 << 16
const alignment = 16

export interface BackendParts {
  readonly gpu: Gpu
  readonly capabilities: Capabilities
  /** Bytes that a binding may have. */
  readonly mostBytes: number
  /** Bytes that all weights may take; undefined where nobody can tell. */
  readonly room: () => number | undefined
  readonly layout: Layout
  readonly tiles: () => readonly number[]
}

export function createBackend(parts: BackendParts): Backend<WebgpuTensor> {
  const { gpu, capabilities, mostBytes, layout, tiles } = parts
  const tensors = new Set<WebgpuTensor>()
  const caches = new Set<WebgpuCache>()
  const arenas = new Set<{ bytes: number }>()
  const pipelines = createPipelines(gpu.device, multiplyAdd(layout.products))
  const pool = createPool(gpu)
  const recorder = createRecorder(gpu, pipelines, pool)
  const tables = createRowTables(recorder.words, pool.take)
  const weights = createWeightStore(gpu, pipelines, mostBytes)
  const staging = createStaging(gpu)
  const reading = new Set<Promise<unknown>>()
  const ops = createOps({ pipelines, pool, recorder, tables, weights, layout, tiles })

  function submit(): void {
    recorder.submit()
    tables.forget()
  }

  /** Long prompts record pass after pass, whose memory is in use until they run. */
  function submitMuch(): void {
    if (pool.retired > mostRetired) submit()
  }

  async function read(wanted: readonly WebgpuTensor[]): Promise<HostArray[]> {
    const copied = copy(wanted)
    reading.add(copied)
    try {
      return await copied
    } finally {
      reading.delete(copied)
    }
  }

  async function copy(wanted: readonly WebgpuTensor[]): Promise<HostArray[]> {
    gpu.expectWell()
    const sizes = wanted.map(({ shape }) => elementCount(shape) * 4)
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    const target = bytes > 0 ? staging.take(bytes) : undefined
    let at = 0
    for (const [i, tensor] of wanted.entries()) {
      if (target && sizes[i]! > 0) {
        recorder.copy({ word: ops.place(tensor), buffer: target.buffer, at, bytes: sizes[i]!, to: 'buffer' })
      }
      at += sizes[i]!
    }
    submit()
    const results = target ? target.read(bytes) : gpu.device.queue.onSubmittedWorkDone().then(() => undefined)
    const all = await gpu.untilLost<ArrayBuffer | undefined>(results)
    await gpu.untilLost(gpu.settled())
    gpu.expectWell()
    let from = 0
    return wanted.map(({ dtype }, i) => {
      const start = from
      from += sizes[i]!
      const buffer = (all ?? new ArrayBuffer(0)).slice(start, from)
      return dtype === 'i32' ? new Int32Array(buffer) : new Float32Array(buffer)
    })
  }

  function upload(
    data: HostArray | Uint8Array,
    { shape, dtype }: { shape: readonly number[]; dtype: DType },
  ): WebgpuTensor {
    gpu.expectWell()
    const source = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    const tensor: WebgpuTensor = { shape, dtype, at: -1, parts: undefined, passing: false }
    const isWeight = isBlockType(dtype) || (dtype === 'f32' && shape.length === 2 && source.length >= weightBytes)
    if (isWeight) {
      tensor.parts = weights.create(tensor, source)
    } else {
      tensor.at = pool.take(source.length / 4)
      if (source.length > 0) {
        gpu.device.queue.writeBuffer(pool.buffer(), tensor.at * 4, source as Uint8Array<ArrayBuffer>, 0, source.length) // nothing here is shared
      }
    }
    tensors.add(tensor)
    return tensor
  }

  function arena(): Arena<WebgpuTensor> {
    const bump = createBump({ allocate: pool.take, first: arenaBlock, alignment })
    const own = { bytes: 0 }
    arenas.add(own)
    return {
      tensor(shape, dtype = 'f32') {
        const bytes = byteSize(dtype, shape)
        own.bytes += bytes
        return { shape, dtype, at: bump.take(Math.max(1, bytes / 4)), parts: undefined, passing: true }
      },
      release() {
        if (!arenas.delete(own)) return
        for (const block of bump.blocks) pool.retire(block)
        submitMuch()
      },
    }
  }

  function free(handle: WebgpuTensor | KVCache): void {
    if ('dtype' in handle) {
      if (!tensors.delete(handle)) return
      if (handle.parts) for (const { buffer } of handle.parts) recorder.retire(buffer)
      else pool.retire(handle.at)
    } else {
      const cache = handle as WebgpuCache // caches are made here only
      if (!caches.delete(cache)) return
      for (const chunk of cache.chunks) if (chunk !== inParent) pool.retire(chunk)
    }
    if (recorder.isEmpty) submit()
    else submitMuch()
  }

  async function prepare(specs: readonly WeightSpec[]): Promise<void> {
    gpu.expectWell()
    let total = 0
    for (const { shape, dtype } of specs) {
      const size = shape.at(-1) ?? 1
      const row = rowBytes(weightType(dtype), size)
      total += (elementCount(shape) / Math.max(1, size)) * row
      if (row <= mostBytes) continue
      throw new OutOfMemoryError(
        `${describe} binds ${mostBytes} bytes at once; a row of [${shape.join(', ')}] has ${row}`,
      )
    }
    const room = parts.room()
    if (room !== undefined && total > room) {
      throw new OutOfMemoryError(`${describe} has room for ${room} bytes; a model's weights take ${total}`)
    }
  }

  const describe = `webgpu on ${gpu.name}`

  return {
    name: 'webgpu',
    capabilities,
    ops: ops.all,
    prepare,
    operations: () => recorder.dispatches,
    upload,
    createCache(spec) {
      const own = spec as Pick<WebgpuCache, 'layers' | 'width' | 'capacity' | 'parent'> // a parent is a cache of this backend
      const cache: WebgpuCache = { ...own, chunks: [] }
      caches.add(cache)
      return cache
    },
    arena,
    read,
    free,
    memory() {
      let bytes = 0
      for (const { dtype, shape } of tensors) {
        const rows = elementCount(shape) / Math.max(1, width({ dtype, shape }))
        bytes +=
          dtype === 'i32'
            ? rows * width({ dtype, shape }) * 4
            : rows * rowBytes(weightType(dtype), width({ dtype, shape }))
      }
      for (const made of arenas) bytes += made.bytes
      for (const cache of caches) {
        bytes += cache.chunks.filter((chunk) => chunk !== inParent).length * chunkWords(cache) * 4
      }
      return { tensors: tensors.size, caches: caches.size, arenas: arenas.size, bytes }
    },
    async dispose() {
      await Promise.allSettled(reading)
      tensors.clear()
      caches.clear()
      arenas.clear()
      gpu.fail(new DisposedError(`the webgpu backend was disposed`))
      gpu.close()
    },
  }
}
