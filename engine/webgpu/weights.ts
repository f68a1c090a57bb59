// Weights on the device: buffers of their own, as many as it takes where one may not hold all rows. Blocks stay packed, with
// their scales apart, so that the whole numbers are aligned.

import { blockLayouts, byteSize, type DType, isBlockType } from '../dtype.ts'
import { DTypeError, OutOfMemoryError } from '../errors.ts'
import { halfAt } from '../half.ts'
import type { Gpu } from './device.ts'
import { usage } from './flags.ts'
import type { Weights } from './kernels/weights.ts'
import type { Pipelines } from './pipelines.ts'
import { type WebgpuTensor, type WeightPart, width } from './tensor.ts'

/** The types that it runs, the one it runs fastest first. */
export const weightTypes = ['q4_0', 'q8_0', 'f32'] as const

type WeightType = (typeof weightTypes)[number]

export interface WeightStore {
  /** Buffers for a matrix, empty or with these values or bytes of blocks. Throws {@link OutOfMemoryError}. */
  create(spec: { shape: readonly number[]; dtype: DType }, data?: Uint8Array): WeightPart[]
}

/** `mostBytes`: of a buffer, and of its binding. */
export function createWeightStore(gpu: Gpu, pipelines: Pipelines, mostBytes: number): WeightStore {
  const { device, name } = gpu
  return {
    create({ shape, dtype }, data) {
      const type = weightType(dtype)
      const size = shape.at(-1) ?? 1
      const rows = shape.length > 1 ? shape[0]! : 1
      const source = byteSize(type, [size])
      const bytes = rowBytes(type, size)
      const most = Math.floor(mostBytes / bytes)
      if (most === 0) {
        throw new OutOfMemoryError(
          `webgpu on ${name} binds ${mostBytes} bytes at once; a row of this weight has ${bytes}`,
        )
      }
      // In fours where it can be, for outputs are written so.
      const each = Math.min(rows, most < 4 ? most : most - (most % 4))
      return Array.from({ length: Math.ceil(rows / each) }, (_, i): WeightPart => {
        const first = i * each
        const count = Math.min(each, rows - first)
        const buffer = gpu.allocate(
          Math.max(16, Math.ceil((count * bytes) / 4) * 4),
          usage.storage | usage.copySource | usage.copyTarget,
        )
        const resource = { buffer }
        const entries = [0, 1].map((binding) => ({ binding, resource }))
        const own = data && packed(type, data.subarray(first * source, (first + count) * source))
        const group = gpu.watch('a call', () => {
          if (own) device.queue.writeBuffer(buffer, 0, own, 0, own.length)
          return device.createBindGroup({ layout: pipelines.weight, entries })
        })
        const scales = isBlockType(type) ? (count * size * bitsOf[type]) / 32 : 0
        return { buffer, group, first, count, bytes: count * bytes, scales }
      })
    },
  }
}

const bitsOf = { q8_0: 8, q4_0: 4, q4_1: 4 } as const

export function weightType(dtype: DType): WeightType {
  const found = weightTypes.find((type) => type === dtype)
  if (!found) throw new DTypeError(`webgpu runs ${weightTypes.join(', ')}, not ${dtype}`)
  return found
}

/** Bytes of a row on the device: the whole numbers, and a scale of 4 bytes for each block. */
export function rowBytes(type: WeightType, size: number): number {
  return type === 'f32' ? size * 4 : (size / 32) * (4 * bitsOf[type] + 4)
}

/** Whole numbers first, then the scales as f32, which hold every f16. */
function packed(type: WeightType, data: Uint8Array): Uint8Array<ArrayBuffer> {
  if (type === 'f32') {
    const { buffer, byteOffset, length } = data
    return new Uint8Array(buffer as ArrayBuffer, byteOffset, length) // what the host gives is not shared
  }
  const { blockBytes } = blockLayouts[type]
  const numbers = blockBytes - 2
  const blocks = data.length / blockBytes
  const out = new Uint8Array(blocks * (numbers + 4))
  const scales = new Float32Array(out.buffer, blocks * numbers, blocks)
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += blockBytes) {
    scales[block] = halfAt(data, at)
    for (let i = 2; i < blockBytes; i++) out[to++] = data[at + i]!
  }
  return out
}

/** How kernels see a weight. */
export function weightsOf(tensor: WebgpuTensor): Weights {
  const type = weightType(tensor.dtype)
  return type === 'f32' && width(tensor) % 4 === 0 ? 'f32 in fours' : type
}

/** Elements of a weight's row, as kernels see them. */
export function strideOf(weights: Weights, size: number): number {
  return size / { f32: 1, 'f32 in fours': 4, q8_0: 4, q4_0: 8 }[weights]
}
