// Traces: what each round of a generation did, as JSON lines in a file that can be read while it grows.

import { ftruncateSync, writeFileSync } from 'node:fs'
import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import type { FinishReason } from '../decode/events.ts'
import type { GenerationStats, RoundTrace } from '../decode/stats.ts'
import { ArgumentError } from '../engine/errors.ts'

/** What the first line of a trace says it is. */
export const traceFormat = 'drafthorse/trace@1'

/** How every trace begins, so that no other file is taken for one. */
const beginning = Buffer.from('{"format":"drafthorse/trace@')

/** Its methods throw {@link ArgumentError} where the file takes no more, as on a full disk. */
export interface Trace extends AsyncDisposable {
  /** Says what the first line has; it is written before the second. */
  begin(about: object): void
  /** Appends a line before it returns, so that what ends the process leaves whole lines. */
  round(round: RoundTrace): void
  /** The last line, after which nothing may be written. */
  end(how: TraceEnd): void
}

export type TraceEnd =
  | { readonly finishReason: FinishReason; readonly stats: GenerationStats }
  /** What the generation threw; written only where something is already. */
  | { readonly error: unknown }

/**
 * Opens a file for a trace. Until the first line is written nothing changes: a trace that stood there stays, and where
 * nothing stood nothing is left. Throws {@link ArgumentError} for a file that cannot be written, and for one that holds
 * something else.
 */
export async function openTrace(path: string): Promise<Trace> {
  if (path === '-') {
    throw new ArgumentError('--trace takes a file, for standard output has the text; give a name, like rounds.jsonl')
  }
  const { handle, isNew, isFile } = await openForTrace(path)
  let about: object | undefined = {}
  let isBroken = false

  function append(line: object): void {
    const first = about && { format: traceFormat, type: 'start', ...about }
    const text = [...(first ? [first] : []), line].map((value) => `${JSON.stringify(value)}\n`).join('')
    try {
      if (first && isFile) ftruncateSync(handle.fd)
      about = undefined
      writeFileSync(handle.fd, text)
    } catch (error) {
      isBroken = true
      throw cannotWrite(path, error)
    }
  }

  return {
    begin(said) {
      about = said
    },
    round: (round) => append({ type: 'round', ...round }),
    end(how) {
      if (!('error' in how)) return append({ type: 'end', ...how })
      const { error } = how
      if (!isBroken && !about) append({ type: 'end', error: error instanceof Error ? error.message : String(error) })
    },
    async [Symbol.asyncDispose]() {
      await handle.close()
      if (about && isNew) await rm(path, { force: true })
    },
  }
}

async function openForTrace(path: string): Promise<{ handle: FileHandle; isNew: boolean; isFile: boolean }> {
  let handle: FileHandle | undefined
  try {
    const there = await stat(path).catch(() => undefined)
    if (!there) return { handle: await open(path, 'wx'), isNew: true, isFile: true }
    // A pipe or a device is written to as it is; reading from one would wait for what never comes.
    if (!there.isFile() && !there.isDirectory()) return { handle: await open(path, 'a'), isNew: false, isFile: false }
    handle = await open(path, 'r+')
    if (await isTrace(handle)) return { handle, isNew: false, isFile: true }
  } catch (error) {
    throw cannotWrite(path, error)
  }
  await handle.close()
  throw new ArgumentError(`${path} is there already and is no trace; give --trace another name`)
}

/** An empty file is as good as one. */
async function isTrace(handle: FileHandle): Promise<boolean> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(beginning.length), { position: 0 })
  return bytesRead === 0 || beginning.equals(buffer.subarray(0, bytesRead))
}

function cannotWrite(path: string, cause: unknown): ArgumentError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new ArgumentError(`the trace cannot be written to ${path}: ${why}; give --trace another file`, { cause })
}
