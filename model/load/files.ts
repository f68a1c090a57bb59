// Where a model's files come from: a folder, one file, or memory. Files are read by ranges, so that a checkpoint larger
// than memory can be opened, and nothing is read that is not wanted.

import { ModelFormatError, NotFoundError } from '../../engine/errors.ts'
import { quote } from './json.ts'

/** Bytes of a tensor that its model's id covers. */
export const startBytes = 4096

/** An open file. */
export interface ByteSource {
  /** How messages call it. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /**
   * The bytes `offset .. offset + length - 1`; not to be written to, since they may be someone else's memory. Throws
   * {@link ModelFormatError} for a range that the file does not have, before any memory is taken.
   */
  read(offset: number, length: number): Promise<Uint8Array>
  /** Closing twice does nothing. */
  close(): Promise<void>
}

/** The files of one model. Holds nothing open itself. */
export interface ModelFiles {
  /** The model's name: the folder's base name, or the file's without its extension. Skip files are keyed by it. */
  readonly name: string
  /** The file that was asked for, for a model of one file; `undefined` for a folder. */
  readonly file: string | undefined
  /** Where reading costs a request: no more is read than loading takes, so the model gets no id. */
  readonly isDistant?: true
  /**
   * Opens a file by its path inside the folder, `/` between the parts; `undefined` if there is none. Throws
   * {@link ModelFormatError} for a name that leads out of the folder.
   */
  open(path: string): Promise<ByteSource | undefined>
  /** Why a file that was opened in vain is taken to be none, for messages; `undefined` where there is no more to say. */
  whyNone?(path: string): string | undefined
}

/**
 * A model's files in memory: for tests, and for browsers that have fetched them. `file` names the entry that is the whole
 * model, as for llama2.c's `.bin`.
 */
export function memoryFiles(
  name: string,
  entries: Readonly<Record<string, Uint8Array>>,
  options: { readonly file?: string } = {},
): ModelFiles {
  return {
    name,
    file: options.file,
    async open(path) {
      checkFileName(path, name)
      const bytes = Object.hasOwn(entries, path) ? entries[path] : undefined
      return bytes && memorySource(path, bytes)
    },
  }
}

/** A file in memory. */
export function memorySource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.length,
    async read(offset, length) {
      checkRange({ name, size: bytes.length }, { offset, length })
      return bytes.subarray(offset, offset + length)
    },
    async close() {},
  }
}

/** Opens a file that must be there. Throws {@link NotFoundError} naming it and what it is needed for. */
export async function openRequired(files: ModelFiles, path: string, purpose: string): Promise<ByteSource> {
  const source = await files.open(path)
  if (!source) throw new NotFoundError(`${hasNone(files, path)}, which ${purpose}`)
  return source
}

/** The start of a message: that a model has no such file, and why it is taken to have none, where that is known. */
export function hasNone(files: ModelFiles, path: string): string {
  const why = files.whyNone?.(path)
  return `model "${files.name}" has no file ${quote(path)}${why === undefined ? '' : ` (${why})`}`
}

/**
 * Throws {@link ModelFormatError} unless a file name from inside a model stays in its folder on every system: relative,
 * without `..`, backslashes, colons (drives, streams) and control characters. `where` says who gave the name.
 */
export function checkFileName(path: string, where: string): void {
  if (!isFileName(path)) {
    throw new ModelFormatError(
      `${where} names the file ${quote(path)}; expected a relative path that stays inside the model's folder`,
    )
  }
}

/** Whether a path stays inside of a folder on every system. */
export function isFileName(path: string): boolean {
  const parts = path.split('/')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  return !/[\\:\u0000-\u001f]/.test(path) && !parts.some((part) => part === '' || part === '.' || part === '..')
}

/** Throws {@link ModelFormatError} for a range that a file does not have. */
export function checkRange(
  { name, size }: { readonly name: string; readonly size: number },
  { offset, length }: { readonly offset: number; readonly length: number },
): void {
  const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0
  if (!valid || offset + length > size) {
    throw new ModelFormatError(
      `${name} has ${size} bytes, but ${length} bytes at ${offset} are needed: it is truncated`,
    )
  }
}
