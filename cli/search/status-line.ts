// A line on standard error that tells how far work is, where that is a terminal.

export interface StatusLine extends Disposable {
  readonly columns: number
  show(text: string): void
}

/** Shows nothing where standard error is no terminal; wiped when it is disposed. */
export function statusLine(): StatusLine {
  const { stderr } = process
  const shows = stderr.isTTY
  const columns = stderr.columns || 80
  return {
    columns,
    show: (text) => void (shows && stderr.write(`\r${text.slice(0, columns - 1)}\u001b[K`)),
    [Symbol.dispose]: () => void (shows && stderr.write('\r\u001b[K')),
  }
}
