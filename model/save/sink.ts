// Where a model is written: a folder, one file, or memory. What is written counts from `finish` on: until then nothing stands
// under the model's name.

export interface FileSink {
  /** The bytes may be reused as soon as this resolves. */
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

/** The counterpart of `ModelFiles`. */
export interface ModelSink {
  /** The model's name. */
  readonly name: string
  /** Begins a file, by its path inside the folder. */
  create(path: string): Promise<FileSink>
  /** Puts everything in its place. */
  finish(): Promise<void>
  /** Leaves nothing behind; never fails. */
  discard(): Promise<void>
}

/** A model in memory: `files` are there once it is finished. */
export function memorySink(name: string): ModelSink & { readonly files: Readonly<Record<string, Uint8Array>> } {
  const begun = new Map<string, Uint8Array[]>()
  const files: Record<string, Uint8Array> = {}
  return {
    name,
    files,
    async create(path) {
      const pieces: Uint8Array[] = []
      begun.set(path, pieces)
      return {
        async write(bytes) {
          pieces.push(bytes.slice())
        },
        async close() {},
      }
    },
    async finish() {
      for (const [path, pieces] of begun) files[path] = joined(pieces)
    },
    async discard() {
      begun.clear()
    },
  }
}

/** Writes a whole file. */
export async function writeWhole(sink: ModelSink, path: string, content: Uint8Array | string): Promise<void> {
  const file = await sink.create(path)
  await file.write(typeof content === 'string' ? new TextEncoder().encode(content) : content)
  await file.close()
}

/** Pieces in one. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    out.set(piece, at)
    at += piece.length
  }
  return out
}
