// Writes weights in TensorFlow.js's own form: the counterpart of load/tfjs-manifest.ts, and of tensorflowjs_converter, whose
// arithmetic of whole numbers it follows.

import { NumericError } from '../../engine/errors.ts'
import { type FileSink, type ModelSink, writeWhole } from './sink.ts'
import type { OutgoingTensor } from './weights.ts'

const { fround } = Math

/** Bytes of a file of weights: what TensorFlow.js's converter cuts at, so that browsers cache them. */
const shardBytes = 4 * 2 ** 20

/** Whole numbers that stand for `min + scale * q`. */
export type QuantizedType = 'uint8' | 'uint16'

interface Entry {
  readonly name: string
  readonly shape: readonly number[]
  readonly dtype: 'float32'
  readonly quantization?: object
}

/** Writes f32 and f16 tensors, or all as whole numbers. `onTensor` is told of each when it is written. */
export async function writeTfjs(
  sink: ModelSink,
  tensors: readonly OutgoingTensor[],
  options: {
    readonly quantized: QuantizedType | undefined
    readonly generatedBy: string
    readonly shardBytes?: number | undefined
    readonly onTensor: (name: string) => void
  },
): Promise<void> {
  const { quantized, generatedBy, onTensor } = options
  const total = tensors.reduce((sum, tensor) => sum + lengthOf(tensor, quantized), 0)
  const shards = cutFiles(sink, { total, limit: options.shardBytes ?? shardBytes })
  const weights: Entry[] = []
  for (const tensor of tensors) {
    const { name, shape } = tensor
    const range = quantized && (await rangeOf(tensor, quantized))
    for await (const piece of tensor.pieces()) await shards.write(range ? quantize(piece, range) : piece)
    const quantization = range
      ? { dtype: range.dtype, min: range.min, scale: range.scale, original_dtype: 'float32' }
      : tensor.dtype === 'f16' && { dtype: 'float16', original_dtype: 'float32' }
    weights.push({ name, shape, dtype: 'float32', ...(quantization && { quantization }) })
    onTensor(name)
  }
  await shards.close()
  const manifest = {
    format: 'weights',
    generatedBy,
    convertedBy: null,
    weightsManifest: [{ paths: shards.paths, weights }],
  }
  await writeWhole(sink, 'model.json', `${JSON.stringify(manifest)}\n`)
}

function lengthOf({ byteLength }: OutgoingTensor, quantized: QuantizedType | undefined): number {
  return quantized ? (byteLength / 4) * bytesOf[quantized] : byteLength
}

const bytesOf = { uint8: 1, uint16: 2 } as const

/** Files that follow each other, cut anywhere. */
function cutFiles(
  sink: ModelSink,
  { total, limit }: { total: number; limit: number },
): FileSink & { readonly paths: readonly string[] } {
  const count = Math.max(1, Math.ceil(total / limit))
  const paths = Array.from({ length: count }, (_, i) => `group1-shard${i + 1}of${count}.bin`)
  let next = 0
  let file: FileSink | undefined
  let left = 0
  async function open(): Promise<FileSink> {
    await file?.close()
    left = limit
    file = await sink.create(paths[next++]!)
    return file
  }
  return {
    paths,
    async write(bytes) {
      for (let at = 0; at < bytes.length; ) {
        const current = file && left > 0 ? file : await open()
        const piece = bytes.subarray(at, at + left)
        await current.write(piece)
        at += piece.length
        left -= piece.length
      }
    },
    async close() {
      const current = file ?? (await open()) // of a model without values there is one file too
      await current.close()
    },
  }
}

interface Range {
  readonly dtype: QuantizedType
  readonly scale: number
  readonly min: number
  readonly max: number
}

/** From the lowest value to the highest, moved so that a zero between them stays zero. */
async function rangeOf(tensor: OutgoingTensor, dtype: QuantizedType): Promise<Range> {
  const largest = 2 ** (8 * bytesOf[dtype]) - 1
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for await (const piece of tensor.pieces()) {
    for (const value of floats(piece)) {
      if (!Number.isFinite(value)) throw new NumericError(`${tensor.name}: ${dtype} holds finite values, not ${value}`)
      min = Math.min(min, value)
      max = Math.max(max, value)
    }
  }
  if (min >= max || min > max) return { dtype, scale: 1, min: min === Number.POSITIVE_INFINITY ? 0 : min, max: min }
  const scale = (max - min) / largest
  if (min > 0 || max < 0) return { dtype, scale, min, max }
  const zero = roundToEven(-min / scale)
  return { dtype, scale, min: -zero * scale, max: largest * scale - zero * scale }
}

/** In f32, as the converter does it. */
function quantize(piece: Uint8Array, { dtype, ...range }: Range): Uint8Array {
  const values = floats(piece)
  const [min, max, scale] = [fround(range.min), fround(range.max), fround(range.scale)]
  const out = dtype === 'uint8' ? new Uint8Array(values.length) : new Uint16Array(values.length)
  for (let i = 0; i < out.length; i++) {
    out[i] = roundToEven(fround(fround(Math.min(max, Math.max(min, values[i]!)) - min) / scale))
  }
  return new Uint8Array(out.buffer)
}

function roundToEven(x: number): number {
  const floor = Math.floor(x)
  const rest = x - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor
}

/** f32 at whatever address. */
function floats(bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  return new Float32Array(buffer, byteOffset, byteLength / 4)
}
