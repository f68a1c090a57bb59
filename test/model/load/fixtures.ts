// What the loading tests share: safetensors files made and read without the code under test, and errors told by code.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ByteSource } from '../../../model/load/files.ts'

/** A path in the repository. */
export function repository(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url))
}

export interface RawTensor {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** Reads a whole safetensors file, trusting it. */
export function readSafetensors(path: string): Map<string, RawTensor> {
  const file = readFileSync(path)
  const data = 8 + Number(file.readBigUInt64LE(0))
  const { __metadata__, ...header } = JSON.parse(file.toString('utf8', 8, data))
  return new Map(
    Object.entries<{ dtype: string; shape: number[]; data_offsets: [number, number] }>(header).map(([name, entry]) => {
      const [begin, end] = entry.data_offsets
      return [
        name,
        { dtype: entry.dtype, shape: entry.shape, bytes: Uint8Array.from(file.subarray(data + begin, data + end)) },
      ]
    }),
  )
}

/** A safetensors file with this header, given as a value or as text, and these data bytes. */
export function safetensors(header: unknown, data: Uint8Array = new Uint8Array()): Uint8Array {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  return Uint8Array.from(Buffer.concat([length, text, data]))
}

export function json(value: unknown): Uint8Array {
  return Uint8Array.from(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))
}

/** A source that remembers the largest read asked of it. */
export function watched(source: ByteSource): ByteSource & { largest(): number } {
  let largest = 0
  return {
    ...source,
    read(offset, length) {
      largest = Math.max(largest, length)
      return source.read(offset, length)
    },
    largest: () => largest,
  }
}

/**
 * Runs something that must fail on purpose: with this code, and a message that matches. Errors are told by code, since
 * dist and the sources, which "#files" mixes in tests, have classes of their own.
 */
export async function fails(run: () => unknown, code: string, message: RegExp): Promise<void> {
  try {
    await run()
  } catch (error) {
    assert.equal(codeOf(error), code, String(error instanceof Error ? error.stack : error))
    assert.match(String(error), message)
    return
  }
  assert.fail(`expected ${code}, but nothing was thrown`)
}

export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** The codes of errors that this package throws on purpose for a bad file. */
export const typedCodes: ReadonlySet<unknown> = new Set(['ERR_MODEL_FORMAT', 'ERR_DTYPE', 'ERR_NOT_FOUND', 'ERR_SHAPE'])
