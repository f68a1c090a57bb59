// Writes GGUF, version 3, little-endian: the counterpart of load/gguf.ts.

import { ggufTypes, valueTypes } from '../load/gguf.ts'
import { type FileSink, joined } from './sink.ts'
import type { OutgoingTensor } from './weights.ts'

/** A value of the metadata: the number of its type, then its bytes. */
export type GgufValue = Uint8Array

const alignment = 32

/** Writes a whole file. `onTensor` is told of each tensor when it is written. */
export async function writeGguf(
  file: FileSink,
  content: {
    readonly metadata: ReadonlyMap<string, GgufValue>
    readonly tensors: readonly OutgoingTensor[]
    readonly onTensor: (name: string) => void
  },
): Promise<void> {
  const { metadata, tensors, onTensor } = content
  const head = [u32(0x46554747), u32(3), u64(tensors.length), u64(metadata.size)]
  for (const [key, value] of metadata) head.push(bytesOf(key), value)
  let offset = 0
  for (const { name, shape, dtype, byteLength } of tensors) {
    head.push(bytesOf(name), u32(shape.length), ...shape.toReversed().map(u64), u32(typeNumber(dtype)), u64(offset))
    offset += padded(byteLength)
  }
  const bytes = joined(head)
  await file.write(bytes)
  await pad(file, bytes.length)
  for (const { name, byteLength, pieces } of tensors) {
    for await (const piece of pieces()) await file.write(piece)
    await pad(file, byteLength)
    onTensor(name)
  }
  await file.close()
}

/** A whole number from 0 on. */
export function wholeValue(value: number): GgufValue {
  return joined([u32(valueTypes.u32), u32(value)])
}

export function floatValue(value: number): GgufValue {
  return joined([u32(valueTypes.f32), f32s([value])])
}

export function flagValue(value: boolean): GgufValue {
  return joined([u32(valueTypes.bool), Uint8Array.of(Number(value))])
}

export function textValue(value: string): GgufValue {
  return joined([u32(valueTypes.text), bytesOf(value)])
}

export function textsValue(values: readonly string[]): GgufValue {
  return joined([...arrayHead(valueTypes.text, values.length), ...values.map(bytesOf)])
}

export function wholesValue(values: readonly number[]): GgufValue {
  return joined([...arrayHead(valueTypes.i32, values.length), words(Int32Array.from(values))])
}

export function floatsValue(values: readonly number[]): GgufValue {
  return joined([...arrayHead(valueTypes.f32, values.length), f32s(values)])
}

function arrayHead(type: number, length: number): Uint8Array[] {
  return [u32(valueTypes.array), u32(type), u64(length)]
}

function typeNumber(dtype: string): number {
  for (const [number, [name]] of ggufTypes) if (name === dtype.toUpperCase()) return number
  throw new RangeError(`GGUF has no type ${dtype}`)
}

function padded(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment
}

async function pad(file: FileSink, bytes: number): Promise<void> {
  if (padded(bytes) > bytes) await file.write(new Uint8Array(padded(bytes) - bytes))
}

/** A text with its length before it. */
function bytesOf(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text)
  return joined([u64(bytes.length), bytes])
}

function u32(value: number): Uint8Array {
  return words(Uint32Array.of(value))
}

function u64(value: number): Uint8Array {
  return words(BigUint64Array.of(BigInt(value)))
}

function f32s(values: readonly number[]): Uint8Array {
  return words(Float32Array.from(values))
}

function words({ buffer }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer) // made above, whole and unshared
}
