// The lines of a chat, at a terminal and from a pipe.
import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { pipedLines, terminalLines } from '../../cli/chat-lines.ts'

async function all(lines: AsyncIterable<string>): Promise<string[]> {
  const read: string[] = []
  for await (const line of lines) read.push(line)
  return read
}

/** A terminal at which these keys are pressed, each once a prompt is there, which may have the `rest` of a paste. */
function terminal(keys: readonly string[], rest = ''): { lines: AsyncGenerator<string>; shown(): string } {
  const input = new PassThrough()
  const output = new PassThrough()
  const waiting = [...keys]
  let shown = ''
  output.setEncoding('utf8').on('data', (text: string) => {
    shown += text
    const asked = shown.endsWith(`> ${rest}\u001b[${3 + rest.length}G`) || shown.endsWith('> \u001b[3G')
    if (asked && waiting.length > 0) input.write(waiting.shift()!)
  })
  return { lines: terminalLines({ input, output, prompt: '> ' }), shown: () => shown }
}

describe('the lines of a chat', () => {
  it('come from a pipe as they stand there, the last without its newline too', async () => {
    assert.deepEqual(await all(pipedLines(Readable.from(['one\r\ntw', 'o\n\n', 'three']))), ['one', 'two', '', 'three'])
  })

  it('are typed one by one, until Ctrl-D', async () => {
    assert.deepEqual(await all(terminal(['one\r', 'two\r', '\u0004']).lines), ['one', 'two'])
  })

  it('end by Ctrl-C where nothing was typed, which else only empties the line', async () => {
    assert.deepEqual(await all(terminal(['one\r', 'forget this\u0003', 'two\r', '\u0003']).lines), ['one', 'two'])
  })

  it('are all there after a paste, also the last that has no end yet', async () => {
    assert.deepEqual(await all(terminal(['one\rtwo\rthr', 'ee\r', '\u0004'], 'thr').lines), ['one', 'two', 'three'])
  })

  it('come back by the arrow up', async () => {
    const up = '\u001b[A'
    assert.deepEqual(await all(terminal(['one\r', 'two\r', `${up}${up}\r`, '\u0004']).lines), ['one', 'two', 'one'])
  })

  it('leave the terminal to others between them, so that Ctrl-C is a signal there', async () => {
    const raw: boolean[] = []
    const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (on: boolean) => raw.push(on) })
    const lines = terminalLines({ input, output: new PassThrough(), prompt: '> ' })
    const first = lines.next()
    input.write('one\r')
    assert.deepEqual(await first, { done: false, value: 'one' })
    assert.deepEqual(raw, [true, false])
    await lines.return(undefined)
  })
})
