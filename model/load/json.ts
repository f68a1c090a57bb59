// JSON from strangers: parsed within bounds, and every error says which file and which key.

import { ModelFormatError } from '../../engine/errors.ts'
import type { ByteSource, ModelFiles } from './files.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** Bytes. Ten times the largest tokenizer in use. */
const largestFile = 200_000_000

/** Reads and parses one of a model's files; `undefined` if there is none. Throws {@link ModelFormatError}. */
export async function readJson(files: ModelFiles, path: string): Promise<unknown> {
  const source = await files.open(path)
  if (!source) return undefined
  try {
    return await parseSource(source)
  } finally {
    await source.close()
  }
}

async function parseSource(source: ByteSource): Promise<unknown> {
  const { name, size } = source
  if (size > largestFile) {
    throw new ModelFormatError(`${name} has ${size} bytes; expected a text of at most ${largestFile}`)
  }
  return parseJson(await source.read(0, size), name)
}

/** Throws {@link ModelFormatError} for bytes that are not JSON in UTF-8. `where` names them. */
export function parseJson(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new ModelFormatError(`${where} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Throws {@link ModelFormatError} unless the value is a JSON object. */
export function asObject(value: unknown, where: string): JsonObject {
  if (!isObject(value)) throw new ModelFormatError(`${where} is ${describe(value)}; expected a JSON object`)
  return value
}

/** The items of a value that may be a list; none of anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** A value from a file for a message: as JSON, short, without control characters. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  const short = text.length > 120 ? `${text.slice(0, 120)}…` : text
  return short.replace(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '\ufffd')
}

/** What kind of thing a value is, for a message. */
export function describe(value: unknown): string {
  if (value === undefined) return 'missing'
  if (Array.isArray(value)) return 'a list'
  if (isObject(value)) return 'an object'
  return quote(value)
}
