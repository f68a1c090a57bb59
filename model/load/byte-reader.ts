// Reads little-endian numbers and texts from the head of a file, piece by piece: the file may be larger than memory, and what
// it claims is checked against the bytes that are left.

import { ModelFormatError } from '../../engine/errors.ts'
import type { ByteSource } from './files.ts'

/** Bytes of a name or a text that are believed; a chat template has some 10,000. */
const longestText = 16_000_000

/** Bytes of the head that are read at once. */
const pieceBytes = 2 ** 20

/** Reads what stands one after the other. Everything throws {@link ModelFormatError} where the file ends. */
export interface Reader {
  /** Where it stands, in bytes. */
  at(): number
  bytes(length: number): Promise<DataView>
  /** A whole number of 4 bytes. */
  number(bytes: 4): Promise<number>
  /** A whole number of 8 bytes; `least`: each thing that it counts takes so many bytes at least, and they must be there. */
  size(what: string, least?: number): Promise<number>
  text(what: string): Promise<string>
  skip(length: number): void
  /** Passes over so many texts. */
  skipTexts(count: number, what: string): Promise<void>
  /** Reads what it has passed over: the bytes `from .. to - 1`, in one go. */
  again(from: number, to: number): Promise<DataView>
  error(message: string): ModelFormatError
}

export function createReader(source: ByteSource): Reader {
  const { name, size: total } = source
  let position = 0
  let piece: Uint8Array = new Uint8Array()
  let pieceStart = 0
  const error = (message: string): ModelFormatError => new ModelFormatError(`${name}: ${message}`)

  function need(length: number): void {
    if (length > total - position) {
      throw error(`it ends at byte ${total}, but ${length} bytes are needed at ${position}: it is truncated or damaged`)
    }
  }

  async function bytes(length: number): Promise<DataView> {
    need(length)
    if (position < pieceStart || position + length > pieceStart + piece.length) {
      pieceStart = position
      piece = await source.read(position, Math.min(total - position, Math.max(length, pieceBytes)))
    }
    const view = new DataView(piece.buffer, piece.byteOffset + position - pieceStart, length)
    position += length
    return view
  }

  async function size(what: string, least = 0): Promise<number> {
    return checked(Number((await bytes(8)).getBigUint64(0, true)), what, least)
  }

  function checked(value: number, what: string, least: number): number {
    if (!Number.isSafeInteger(value) || value * least > total - position) {
      throw error(`${what} is ${value}, more than its ${total} bytes can hold`)
    }
    return value
  }

  function textLength(value: number, what: string): number {
    const length = checked(value, `the length of ${what}`, 1)
    if (length > longestText) throw error(`${what} has ${length} bytes; at most ${longestText} are read`)
    return length
  }

  return {
    at: () => position,
    bytes,
    number: async () => (await bytes(4)).getUint32(0, true),
    size,
    async text(what) {
      const { buffer, byteOffset, byteLength } = await bytes(textLength(await size(`the length of ${what}`), what))
      return new TextDecoder().decode(new Uint8Array(buffer, byteOffset, byteLength))
    },
    skip(length) {
      need(length)
      position += length
    },
    async skipTexts(count, what) {
      for (let passed = 0; passed < count; ) {
        // The first of a piece is read by `bytes`; those behind it in the piece without a promise for each.
        const first = textLength(await size(`the length of ${what}`), what)
        position += first
        passed++
        const view = new DataView(piece.buffer, piece.byteOffset, piece.length)
        for (; passed < count && position + 8 <= pieceStart + piece.length; passed++) {
          const length = Number(view.getBigUint64(position - pieceStart, true))
          position += 8
          position += textLength(length, what)
        }
      }
    },
    async again(from, to) {
      const { buffer, byteOffset, byteLength } = await source.read(from, to - from)
      return new DataView(buffer, byteOffset, byteLength)
    },
    error,
  }
}
