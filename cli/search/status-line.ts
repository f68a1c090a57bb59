// A line on standard error that tells how far work is: in place in a terminal, and now and then a line elsewhere.

export interface StatusLine extends Disposable {
  readonly columns: number
  show(text: string): void
}

/** Where it is written, as `process.stderr` is. */
export interface StatusStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface StatusOptions {
  readonly stream?: StatusStream
  /** Milliseconds; default the machine's clock. */
  readonly clock?: () => number
}

/** Milliseconds between lines that stay. */
const between = 30_000

/**
 * Wiped in a terminal when it is disposed. Elsewhere, as in a log, a line of its own is written every half a minute: work that
 * takes less says nothing there.
 */
export function statusLine({
  stream = process.stderr,
  clock = () => performance.now(),
}: StatusOptions = {}): StatusLine {
  const columns = stream.columns || 80
  let last = clock()
  const now = (text: string): void => {
    if (clock() - last < between) return
    last = clock()
    stream.write(`${text}\n`)
  }
  return {
    columns,
    show: (text) => void (stream.isTTY ? stream.write(`\r${text.slice(0, columns - 1)}\u001b[K`) : now(text)),
    [Symbol.dispose]: () => void (stream.isTTY && stream.write('\r\u001b[K')),
  }
}
