// A journal's file: appended line by line, each on the disk before the search goes on. For Node.

import { constants } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { ArgumentError, NotFoundError } from '../engine/errors.ts'
import { type JournalHeader, type JournalRecord, journalLine } from './journal.ts'
import { type Journal, largestJournal, parseJournal, tooLarge } from './journal-reader.ts'

export interface JournalFile extends AsyncDisposable {
  /** What was there when it was opened. */
  readonly header: JournalHeader | undefined
  readonly records: readonly JournalRecord[]
  /** Resolves once the line is on the disk. Throws {@link ArgumentError} where another process wrote meanwhile. */
  append(line: JournalHeader | JournalRecord): Promise<void>
  /** Closes the file, and removes it where it was made here and nothing was ever written. Closing twice does nothing. */
  close(): Promise<void>
}

/**
 * Opens a journal to go on with (`resume`), of which a torn last line is cut off, or a new one. Throws {@link ArgumentError}
 * where a new one would replace a file that holds something, {@link NotFoundError} where there is none to go on with, and
 * {@link ModelFormatError} for one that is damaged.
 */
export async function openJournal(path: string, { resume }: { readonly resume: boolean }): Promise<JournalFile> {
  const { handle, made } = await openFile(path, { resume })
  try {
    const found = await handle.stat()
    if (!found.isFile()) throw new ArgumentError(`${path} is not a file; a journal is one`)
    if (found.size > 0 && !resume) {
      const remedy = 'give --resume to go on with its search, or name another journal'
      throw new ArgumentError(`${path} has ${found.size} bytes; ${remedy}`)
    }
    if (found.size > largestJournal) throw tooLarge(path, found.size)
    const journal = parseJournal(await handle.readFile(), path)
    if (found.size > journal.bytes) {
      await handle.truncate(journal.bytes)
      await handle.sync()
    }
    return fileOf(handle, { path, journal, made })
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Also where nothing is yet, unless it is to be gone on with. */
async function openFile(path: string, { resume }: { readonly resume: boolean }): Promise<Opened> {
  try {
    if (!resume) {
      const made = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL).catch(unlessThere)
      if (made) return { handle: made, made: true }
    }
    return { handle: await open(path, constants.O_RDWR), made: false }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause // whatever the file system throws has a code
    const what = resume
      ? `there is no journal ${path} to go on with; leave out --resume to begin one`
      : `the journal ${path} cannot be made: there is no such folder`
    throw new NotFoundError(what, { cause })
  }
}

interface Opened {
  readonly handle: FileHandle
  /** Whether nothing was there before. */
  readonly made: boolean
}

function unlessThere(cause: NodeJS.ErrnoException): undefined {
  if (cause.code !== 'EEXIST') throw cause
}

function fileOf(
  handle: FileHandle,
  { path, journal, made }: { path: string; journal: Journal; made: boolean },
): JournalFile {
  let end = journal.bytes
  let closed = false
  const file: JournalFile = {
    header: journal.header,
    records: journal.records,
    async append(line) {
      const { size } = await handle.stat()
      if (size !== end) {
        throw new ArgumentError(`another process writes to ${path}; let each search have a journal of its own`)
      }
      const bytes = new TextEncoder().encode(journalLine(line))
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, end + done)
        done += bytesWritten
      }
      await handle.datasync()
      end += bytes.length
    },
    async close() {
      if (closed) return
      closed = true
      await handle.close()
      if (made && end === 0) await rm(path, { force: true })
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
  return file
}
