// What a user types in a chat, line by line: at a terminal with a prompt and a history, or from a pipe or a file.

import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

/** The lines of a pipe or a file. */
export async function* pipedLines(input: Readable): AsyncGenerator<string> {
  yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
}

/**
 * The lines of a terminal. It is the reader's only while a line is typed: between lines Ctrl-C is a signal again. At the
 * prompt Ctrl-C empties the line, and ends the lines where it is empty; Ctrl-D ends them too.
 */
export async function* terminalLines(terminal: Terminal): AsyncGenerator<string> {
  let state: Typed = { lines: [], rest: '', history: [] }
  while (true) {
    state = await readLines(terminal, state)
    if (state.lines.length === 0) return
    yield* state.lines
  }
}

interface Terminal {
  readonly input: Readable
  readonly output: Writable
  readonly prompt: string
}

interface Typed {
  /** One, or more where several were pasted; none at the end. */
  readonly lines: readonly string[]
  /** What was typed of the next. */
  readonly rest: string
  readonly history: string[]
}

function readLines({ input, output, prompt }: Terminal, { rest, history }: Typed): Promise<Typed> {
  return new Promise((resolve) => {
    const reader = createInterface({ input, output, prompt, history: [...history], terminal: true })
    const lines: string[] = []
    let latest = history
    reader.on('history', (all) => {
      latest = all
    })
    reader.on('line', (line) => {
      if (lines.push(line) === 1) setImmediate(() => reader.close()) // after the other lines of a paste
    })
    reader.on('SIGINT', () => {
      if (reader.line === '') return reader.close()
      reader.write(null, { ctrl: true, name: 'e' })
      reader.write(null, { ctrl: true, name: 'u' })
    })
    reader.on('close', () => {
      if (lines.length === 0) output.write('\n')
      resolve({ lines, rest: reader.line, history: latest })
    })
    if (rest) reader.write(rest)
    reader.prompt(true)
  })
}
